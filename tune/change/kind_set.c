// SPDX-License-Identifier: MIT
// The kind `set`: one value in one attribute of sysfs or procfs.
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

// sysfs gives at most a page (Linux, Documentation/filesystems/sysfs.rst).
enum { VALUE_MAX = 4096 };

// Of "always [madvise] never" the chosen word, which is also what has to be written; else NULL.
static char *chosen_word(const char *text)
{
	const char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;

	if (!close || close == open + 1 || strchr(close, '[') || strchr(close + 1, ']'))
		return NULL;
	if ((open > text && open[-1] != ' ') || (close[1] && close[1] != ' '))
		return NULL;
	for (const char *p = open; p < close; p++) {
		if (*p == ' ')
			return NULL;
	}
	return mem_dupn(open + 1, (size_t)(close - open - 1));
}

// What was read, in the form in which it can be written back.
static char *writable_form(char *text)
{
	char *word = chosen_word(text);

	// an empty driver_override reads so, and written back it would be taken for a driver's name
	if (!word && strcmp(text, "(null)") == 0)
		word = mem_dup("");
	return word ? word : mem_dup(text);
}

static int set_read(struct change_host *host, const struct change *change, char **value,
		    struct err *err)
{
	AUTO_STR struct str text = { 0 };
	int r = change_read_text(host, change->path, &text, VALUE_MAX);

	*value = NULL;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_sys(err, r, "reading %s", change->path);
	if (text.len && text.text[text.len - 1] == '\n')
		text.text[--text.len] = '\0';
	if (strlen(str_text(&text)) != text.len || strchr(str_text(&text), '\n'))
		return err_set(err, -EINVAL, "%s holds more than one value, and one is all that "
					     "could be put back", change->path);
	str_add(&text, "");
	*value = writable_form(text.text);
	return 0;
}

static int set_write(struct change_host *host, const struct change *change, const char *value,
		     struct err *err)
{
	int r;

	if (!value)
		return err_set(err, -EINVAL, "%s can't be taken away", change->path);
	// the newline makes an empty value a write at all: no attribute sees one of 0 bytes
	r = change_write_line(host, change->path, value);
	return r < 0 ? err_sys(err, r, "writing %s to %s", value, change->path) : 0;
}

static bool set_equal(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

// Linux answers Y and N for what kstrtobool took in other words.
static int truth(const char *text)
{
	static const char *const words[2][6] = { { "0", "n", "no", "off", "f", "false" },
						 { "1", "y", "yes", "on", "t", "true" } };

	for (int value = 0; value < 2; value++) {
		for (size_t i = 0; i < ARRAY_SIZE(words[0]); i++) {
			if (strcasecmp(text, words[value][i]) == 0)
				return value;
		}
	}
	return -1;
}

static bool same_truth(const char *a, const char *b)
{
	return truth(a) >= 0 && truth(a) == truth(b);
}

// A CPU list never has leading zeros; "00000003,00000002" is a mask, where order counts.
static bool parse_cpulist(const char *text, struct cpuset *set)
{
	for (const char *p = text; *p; p++) {
		if (*p == '0' && isdigit((unsigned char)p[1]) &&
		    (p == text || !isdigit((unsigned char)p[-1])))
			return false;
	}
	return *text && cpuset_parse_list(set, text);
}

static bool same_cpulist(const char *a, const char *b)
{
	struct cpuset set_a, set_b;

	if (!strpbrk(a, ",-") && !strpbrk(b, ",-"))
		return false;
	return parse_cpulist(a, &set_a) && parse_cpulist(b, &set_b) && cpuset_equal(&set_a, &set_b);
}

static bool parse_number(const char *text, uint64_t *out)
{
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return str_parse_hex(text, out);
	// "010" is eight to some attributes and ten to others
	return (text[0] != '0' || !text[1]) && str_parse_u64(text, out);
}

static bool same_number(const char *a, const char *b)
{
	uint64_t number_a, number_b;

	return parse_number(a, &number_a) && parse_number(b, &number_b) && number_a == number_b;
}

static const char *skip_zeros(const char *text)
{
	while (text[0] == '0' && isxdigit((unsigned char)text[1]))
		text++;
	return text;
}

// "0f" and "f": digits of whatever base, padded to the kernel's taste.
static bool same_padded(const char *a, const char *b)
{
	static const char digits[] = "0123456789abcdefABCDEF";

	return *a && *b && !a[strspn(a, digits)] && !b[strspn(b, digits)] &&
	       strcasecmp(skip_zeros(a), skip_zeros(b)) == 0;
}

static bool set_answers(const char *got, const char *want)
{
	AUTO_FREE char *got_copy = mem_dup(got), *want_copy = mem_dup(want);
	const char *a = str_strip(got_copy), *b = str_strip(want_copy);

	return strcmp(a, b) == 0 || same_truth(a, b) || same_cpulist(a, b) || same_number(a, b) ||
	       same_padded(a, b);
}

static void set_remedy(const struct change *change, struct str *out)
{
	str_add(out, "echo ");
	change_quote(change->was ? change->was : "", out);
	str_add(out, " > ");
	change_quote(change->path, out);
}

static const char *const places[] = { "/sys/", "/proc/sys/", "/proc/irq/", NULL };

const struct change_kind change_kind_set = {
	.name = "set",
	.help = "an attribute of the kernel is set to a value",
	.places = places,
	.read = set_read,
	.write = set_write,
	.equal = set_equal,
	.answers = set_answers,
	.remedy = set_remedy,
	.shared = true,
	.survives_us = true,
	.one_file = true,
	// cpufreq's limits change once a work queue has run: cpufreq_notifier_min in drivers/cpufreq/cpufreq.c
	// (Linux 6.1). A busy host lets that wait.
	.patience_ms = 2000,
};
