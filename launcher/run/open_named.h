// SPDX-License-Identifier: MIT
// Owns opening a file that a profile names. Refuses, as root, links that a user could point elsewhere.
#pragma once

struct err;

// As open(2), without O_CREAT. Root goes through a link only if it belongs to root or to whom the file behind it
// belongs: else the owner of a folder on the way could have any file of this host given to a guest. Returns a
// close-on-exec descriptor, or -errno with a message (-EACCES: such a link).
int open_named(const char *path, int flags, struct err *err);
