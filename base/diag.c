// SPDX-License-Identifier: MIT
#include "base/diag.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>

struct diag *diag_add(struct diags *diags, enum diag_level level, const char *code, struct place place,
		      const char *fmt, ...)
{
	struct diag *diag = MEM_PUSH(diags->items, diags->count);
	struct str text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	*diag = (struct diag){ .level = level,
			       .code = code,
			       .file = mem_dup(place.file),
			       .line = place.line,
			       .text = str_take(&text) };
	return diag;
}

void diag_hint(struct diag *diag, const char *fmt, ...)
{
	struct str hint = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&hint, fmt, ap);
	va_end(ap);
	free(diag->hint);
	diag->hint = str_take(&hint);
}

static bool have(const struct diags *diags, enum diag_level level)
{
	for (size_t i = 0; i < diags->count; i++) {
		if (diags->items[i].level >= level)
			return true;
	}
	return false;
}

int diags_exit_status(const struct diags *diags)
{
	if (have(diags, DIAG_ERROR))
		return 2;
	return have(diags, DIAG_HOST_ERROR) ? 3 : 0;
}

void diag_print(const struct diag *diag, struct str *out)
{
	if (diag->file && diag->line)
		str_addf(out, "%s:%d: ", diag->file, diag->line);
	else if (diag->file)
		str_addf(out, "%s: ", diag->file);
	str_addf(out, "%s: %s\n", diag->level == DIAG_WARNING ? "warning" : "error", diag->text);
	if (diag->hint)
		str_addf(out, "    hint: %s\n", diag->hint);
}

void diags_finish(struct diags *diags)
{
	for (size_t i = 0; i < diags->count; i++) {
		free(diags->items[i].file);
		free(diags->items[i].text);
		free(diags->items[i].hint);
	}
	free(diags->items);
	*diags = (struct diags){ 0 };
}
