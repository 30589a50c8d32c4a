// SPDX-License-Identifier: MIT
// Owns what keys and buttons are called: the kernel's names in lower case, without KEY_ ("leftctrl",
// "f12", "kpenter"), buttons with btn_ ("btn_side"). Refuses layouts: a name is a place on a keyboard.
#pragma once

// The code of a name, in any case, with or without "KEY_". -1: no such key.
int keyname_parse(const char *name);

// The name of a code; codes without one are "key_NUMBER", which keyname_parse also takes. The text is
// in `out`, which is also returned.
enum { KEYNAME_ROOM = 48 };
const char *keyname_print(unsigned code, char out[KEYNAME_ROOM]);

// The name nearest to what cannot be parsed, or NULL where none is near. The text is in `out`.
const char *keyname_nearest(const char *name, char out[KEYNAME_ROOM]);
