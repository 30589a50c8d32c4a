// SPDX-License-Identifier: MIT
#include "launcher/commands/check.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/check/check.h"
#include "launcher/commands/host.h"

#include <json-c/json.h>

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

static void add_severity(const struct finding *finding, bool colour, struct str *out)
{
	static const char *const colours[] = { [SEVERITY_OK] = "32",
					       [SEVERITY_INFO] = "36",
					       [SEVERITY_UNKNOWN] = "35",
					       [SEVERITY_WARNING] = "33",
					       [SEVERITY_ERROR] = "1;31" };
	const char *name = severity_name(finding->severity);

	if (colour)
		str_addf(out, "\033[%sm%-*s\033[0m\n", colours[finding->severity], TEXT_COLUMN, name);
	else
		str_addf(out, "%-*s\n", TEXT_COLUMN, name);
}

static void print_finding(const struct finding *finding, bool colour, struct str *out)
{
	bool good = finding->severity == SEVERITY_OK;
	AUTO_FREE char *head = mem_printf("%s: %s%s%s%s", finding->subject, finding->evidence, good ? "" : " [",
					  good ? "" : finding->code, good ? "" : "]");

	add_severity(finding, colour, out);
	out->text[--out->len] = '\0'; // the line goes on
	add_wrapped(out, head, TEXT_COLUMN);
	if (finding->reason) {
		str_addf(out, "%*s", TEXT_COLUMN, "");
		add_wrapped(out, finding->reason, TEXT_COLUMN);
	}
	if (finding->remedy) {
		str_addf(out, "%*s-> ", TEXT_COLUMN, "");
		add_wrapped(out, finding->remedy, TEXT_COLUMN + 3);
	}
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
