// SPDX-License-Identifier: MIT
#include "launcher/commands/check.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/check/check.h"
#include "launcher/commands/host.h"

#include <json-c/json.h>
#include <string.h>

enum { TEXT_COLUMN = 9 }; // behind the longest severity

static bool is_shown(const struct finding *finding, bool brief)
{
	return !brief || finding->severity >= SEVERITY_WARNING;
}

// Foreign words may be in it. What stands in the line is indented as far already.
static void add_wrapped(struct str *out, const char *text, size_t indent)
{
	AUTO_STR struct str escaped = { 0 };
	AUTO_STRV struct strv words = { 0 };

	str_add_escaped(&escaped, text);
	strv_split(&words, str_text(&escaped), " ");
	host_add_wrapped(out, &words, indent);
}

static const char *const colours[] = {
	[SEVERITY_OK] = "32",	   [SEVERITY_INFO] = "36",   [SEVERITY_UNKNOWN] = "35",
	[SEVERITY_WARNING] = "33", [SEVERITY_ERROR] = "1;31",
};

static void add_below(struct str *out, const char *mark, const char *text)
{
	if (!text)
		return;
	str_addf(out, "%*s%s", TEXT_COLUMN, "", mark);
	add_wrapped(out, text, TEXT_COLUMN + strlen(mark));
}

static void print_finding(const struct finding *finding, bool colour, struct str *out)
{
	const char *name = severity_name(finding->severity);
	AUTO_STR struct str text = { 0 };
	AUTO_FREE char *head =
		finding->severity == SEVERITY_OK ?
			mem_printf("%s: %s", finding->subject, finding->evidence) :
			mem_printf("%s: %s [%s]", finding->subject, finding->evidence, finding->code);

	str_addf(&text, "%-*s", TEXT_COLUMN, name);
	add_wrapped(&text, head, TEXT_COLUMN);
	add_below(&text, "", finding->reason);
	add_below(&text, "-> ", finding->remedy);
	if (colour)
		str_addf(out, "\033[%sm%s\033[0m%s", colours[finding->severity], name, text.text + strlen(name));
	else
		str_add(out, text.text);
}

// "1 error, 3 warnings; 12 are well"
static void print_sum(const struct findings *findings, struct str *out)
{
	size_t errors = findings_count(findings, SEVERITY_ERROR),
	       warnings = findings_count(findings, SEVERITY_WARNING);
	size_t unknown = findings_count(findings, SEVERITY_UNKNOWN);

	str_addf(out, "\n%zu error%s, %zu warning%s", errors, errors == 1 ? "" : "s", warnings,
		 warnings == 1 ? "" : "s");
	if (unknown)
		str_addf(out, ", %zu unknown", unknown);
	str_addf(out, ", %zu as it should be\n", findings_count(findings, SEVERITY_OK));
}

void findings_print_text(const struct findings *findings, bool brief, bool colour, struct str *out)
{
	for (size_t i = 0; i < findings->count; i++) {
		if (is_shown(&findings->items[i], brief))
			print_finding(&findings->items[i], colour, out);
	}
	if (!brief)
		print_sum(findings, out);
}

static void put_text(struct json_object *to, const char *key, const char *text)
{
	AUTO_STR struct str clean = { 0 };

	str_add_utf8(&clean, text ? text : "");
	json_object_object_add(to, key, json_object_new_string(str_text(&clean)));
}

struct json_object *findings_print_json(const struct findings *findings, bool brief)
{
	struct json_object *out = json_object_new_object(), *list = json_object_new_array();

	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];
		struct json_object *item;

		if (!is_shown(finding, brief))
			continue;
		item = json_object_new_object();
		put_text(item, "code", finding->code);
		put_text(item, "severity", severity_name(finding->severity));
		put_text(item, "subject", finding->subject);
		put_text(item, "evidence", finding->evidence);
		put_text(item, "reason", finding->reason);
		put_text(item, "remedy", finding->remedy);
		json_object_array_add(list, item);
	}
	json_object_object_add(out, "findings", list);
	return out;
}
