// SPDX-License-Identifier: MIT
// Owns the types of profile values: the text behind `key =` in, a typed field out, or a diagnostic that
// says what would be right. Refuses to know the host, and which keys there are.
#pragma once

#include "launcher/profile/keys.h"

#include <stdint.h>

#include <stdbool.h>

struct diag;
struct place;
struct strv;

// types.c; the field's C type stands behind.
profile_parser value_parse_text;	// char *, kept verbatim
profile_parser value_parse_text_list;	// struct strv, verbatim, one a line
profile_parser value_parse_path;	// char *, absolute
profile_parser value_parse_word;	// an enum: index into row->words
profile_parser value_parse_tri;		// enum tri
profile_parser value_parse_flag;	// bool
profile_parser value_parse_int;		// int; "auto" is the default where that lies outside min…max
profile_parser value_parse_long;	// int64_t, likewise
profile_parser value_parse_memory;	// uint64_t, bytes, whole MiB
profile_parser value_parse_frequency;	// int64_t, kHz

// types_name.c
profile_parser value_parse_name;	// char *, a guest's name
profile_parser value_parse_uuid;	// char *, lower case
profile_parser value_parse_user;	// char *
profile_parser value_parse_user_list;	// struct strv
profile_parser value_parse_word_text;	// char *, one of row->words
profile_parser value_parse_word_list;	// struct strv of row->words, each once
profile_parser value_parse_machine;	// char *, NULL: auto
profile_parser value_parse_model;	// char *, NULL: auto
profile_parser value_parse_sysfs_word;	// char *, NULL: auto
profile_parser value_parse_command;	// struct strv: an argv

// types_cpu.c
profile_parser value_parse_pin;		// struct pin_request
profile_parser value_parse_cpus;	// struct cpus_request
profile_parser value_parse_nodes;	// struct nodes_request
profile_parser value_parse_scheduler;	// struct sched_request
profile_parser value_parse_hyperv;	// struct hyperv_request
profile_parser value_parse_vendor_id;	// char *
profile_parser value_parse_features;	// struct strv

// types_device.c
profile_parser value_parse_serial;	// char *
profile_parser value_parse_mac;		// char *, lower case
profile_parser value_parse_ifname;	// char *
profile_parser value_parse_forwards;	// struct strv

// types_pci.c
profile_parser value_parse_unit;	// char *: a systemd unit, "auto", or NULL: none
profile_parser value_parse_units;	// struct strv
profile_parser value_parse_bar_sizes;	// struct strv of "BAR:SIZE", see bar_size_parse
profile_parser value_parse_modules;	// struct modules_request
// What the titles of [pci] and [mdev] look like.
bool title_is_pci(const char *title);
bool title_is_usb(const char *title);
bool title_is_uuid(const char *title);
bool bar_size_parse(const char *text, int *bar, uint64_t *size); // "1:16G"

// types_input.c
profile_parser value_parse_selectors; // struct strv, one a line
profile_parser value_parse_hotkeys;   // struct strv, one a line
profile_parser value_parse_chord;     // char *, "none": none
profile_parser value_parse_keynames;  // struct strv

// For parsers. Adds an error "[section] key = text: …".
struct diag *value_reject(const struct profile_value *value, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
// For parsers of lists, whose lines add up: each item (between blanks or commas) is parsed as a value of
// its own, into the list; an empty value empties it.
void value_parse_items(const struct profile_key *row, const struct profile_value *value,
		       struct strv *list, profile_parser *parse_item);
struct place value_place(const struct profile_value *value);
bool value_is_quoted(const char *text);
char *value_words(const char *const *words, const char *last); // "a, b LAST c"; the caller frees
