// SPDX-License-Identifier: MIT
// CPU lists, pins, scheduling classes, CPU features.
#include "launcher/profile/types.h"

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/profile/profile.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool is_word(const struct profile_value *value, const char *word)
{
	return strcasecmp(value->text, word) == 0;
}

static void reject_list(const struct profile_value *value, const char *instead)
{
	diag_hint(value_reject(value, "not a list of numbers below %d", CPUSET_MAX),
		  "write %s, or a list such as 0-3,8", instead);
}

void value_parse_cpus(const struct profile_key *row, const struct profile_value *value, void *field)
{
	struct cpus_request *out = field;
	struct cpuset cpus;

	(void)row;
	if (!*value->text || is_word(value, "auto"))
		*out = (struct cpus_request){ .mode = CPUS_AUTO };
	else if (is_word(value, "none"))
		*out = (struct cpus_request){ .mode = CPUS_NONE };
	else if (cpuset_parse_list(&cpus, value->text))
		*out = (struct cpus_request){ .mode = CPUS_LIST, .cpus = cpus };
	else
		reject_list(value, "auto, none");
}

void value_parse_nodes(const struct profile_key *row, const struct profile_value *value,
		       void *field)
{
	struct nodes_request *out = field;
	struct cpuset nodes;

	(void)row;
	if (!*value->text || is_word(value, "auto"))
		*out = (struct nodes_request){ .mode = CPUS_AUTO };
	else if (cpuset_parse_list(&nodes, value->text))
		*out = (struct nodes_request){ .mode = CPUS_LIST, .nodes = nodes };
	else
		reject_list(value, "auto");
}

// A number below CPUSET_MAX at *at; moves on, or returns -1.
static int read_cpu(const char **at)
{
	int cpu = 0;

	if (!isdigit((unsigned char)**at))
		return -1;
	for (; isdigit((unsigned char)**at); (*at)++) {
		cpu = cpu * 10 + (**at - '0');
		if (cpu >= CPUSET_MAX)
			return -1;
	}
	return cpu;
}

static struct cpuset *add_vcpu(struct pin_request *pin, int cpu)
{
	struct cpuset *set = MEM_PUSH(pin->vcpus, pin->count);

	cpuset_add(set, cpu);
	return set;
}

// "N", "N-M" or "N+M+…". Returns what is wrong with it, or NULL.
static const char *read_pin(const char *text, struct pin_request *pin)
{
	int first = read_cpu(&text), last;
	struct cpuset *set;

	if (first < 0)
		return "holds what is no CPU number";
	if (*text == '-') {
		text++;
		last = read_cpu(&text);
		if (last < 0 || *text)
			return *text == '+' ? "mixes - and + in one item"
					    : "holds what is no CPU number";
		if (last < first)
			return "counts a range down";
		for (int cpu = first; cpu <= last; cpu++)
			add_vcpu(pin, cpu);
		return NULL;
	}
	set = add_vcpu(pin, first);
	while (*text == '+') {
		text++;
		last = read_cpu(&text);
		if (last < 0)
			return "holds what is no CPU number";
		cpuset_add(set, last);
	}
	if (*text == '-')
		return "mixes - and + in one item";
	return *text ? "holds what is no CPU number" : NULL;
}

static size_t count_of(const char *text, char c)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

static void free_pin(struct pin_request *pin)
{
	free(pin->vcpus);
	*pin = (struct pin_request){ 0 };
}

// Two vCPUs that can only run in turns are a slip of the keyboard; two on the same set of siblings
// are not.
static void warn_shared_cpu(const struct profile_value *value, const struct pin_request *pin)
{
	struct cpuset seen = { 0 };

	for (size_t i = 0; i < pin->count; i++) {
		int cpu = cpuset_next(&pin->vcpus[i], -1);

		if (cpuset_count(&pin->vcpus[i]) != 1)
			continue;
		if (cpuset_has(&seen, cpu)) {
			diag_hint(diag_add(value->diags, DIAG_WARNING, "pin-twice",
					   value_place(value),
					   "[cpu] pin: CPU %d gets more than one vCPU", cpu),
				  "give each vCPU a CPU of its own");
			return;
		}
		cpuset_add(&seen, cpu);
	}
}

void value_parse_pin(const struct profile_key *row, const struct profile_value *value, void *field)
{
	CLEANUP(free_pin) struct pin_request pin = { .mode = CPUS_LIST };
	struct pin_request *out = field;
	AUTO_STRV struct strv items = { 0 };
	const char *wrong = NULL;

	if (!*value->text || is_word(value, "auto"))
		pin.mode = CPUS_AUTO;
	else if (is_word(value, "none"))
		pin.mode = CPUS_NONE;
	else
		strv_split(&items, value->text, ",");
	if (pin.mode == CPUS_LIST && items.count != count_of(value->text, ',') + 1)
		wrong = "has an empty item";
	for (size_t i = 0; i < items.count && !wrong; i++) {
		wrong = read_pin(items.items[i], &pin);
		if (!wrong && pin.count > (size_t)row->max)
			wrong = "is for more vCPUs than any machine has";
	}
	if (wrong) {
		diag_hint(value_reject(value, "the list %s", wrong),
			  "write auto, none, or one item a vCPU in the guest's order: 2,8,3,9; 2-5 "
			  "is four vCPUs, 0+6 one that may run on both");
		return;
	}
	warn_shared_cpu(value, &pin);
	free_pin(out);
	*out = pin;
	pin = (struct pin_request){ 0 };
}

void value_parse_scheduler(const struct profile_key *row, const struct profile_value *value,
			   void *field)
{
	struct sched_request *out = field;
	struct sched sched;

	(void)row;
	if (!*value->text || is_word(value, "auto"))
		*out = (struct sched_request){ 0 };
	else if (sched_parse(value->text, &sched))
		*out = (struct sched_request){ .set = true, .sched = sched };
	else
		diag_hint(value_reject(value, "not a scheduling class"),
			  "write auto, other, rr:1 or fifo:1 (priorities go from 1 to 99; 1 is "
			  "enough)");
}

// QEMU's enlightenments (docs/system/i386/hyperv.rst, 7.2) without "hv-", and what they take behind
// "=".
static const struct {
	const char *name;
	const char *value; // a stand-in for the message; NULL: takes none
	const char *fallback;
} enlightenments[] = {
	{ "relaxed", NULL, NULL },
	{ "vapic", NULL, NULL },
	{ "spinlocks", "NUMBER", "0x1fff" },
	{ "vpindex", NULL, NULL },
	{ "runtime", NULL, NULL },
	{ "crash", NULL, NULL },
	{ "time", NULL, NULL },
	{ "synic", NULL, NULL },
	{ "stimer", NULL, NULL },
	{ "stimer-direct", NULL, NULL },
	{ "reset", NULL, NULL },
	{ "frequencies", NULL, NULL },
	{ "reenlightenment", NULL, NULL },
	{ "tlbflush", NULL, NULL },
	{ "tlbflush-ext", NULL, NULL },
	{ "tlbflush-direct", NULL, NULL },
	{ "ipi", NULL, NULL },
	{ "evmcs", NULL, NULL },
	{ "emsr-bitmap", NULL, NULL },
	{ "xmm-input", NULL, NULL },
	{ "avic", NULL, NULL },
	{ "apicv", NULL, NULL },
	{ "syndbg", NULL, NULL },
	{ "no-nonarch-coresharing", "on|off|auto", "auto" },
	{ "enforce-cpuid", NULL, NULL },
	{ "passthrough", NULL, NULL },
	{ "version-id-build", "NUMBER", NULL },
	{ "version-id-major", "NUMBER", NULL },
	{ "version-id-minor", "NUMBER", NULL },
	{ "version-id-spack", "NUMBER", NULL },
	{ "version-id-sbranch", "NUMBER", NULL },
	{ "version-id-snumber", "NUMBER", NULL },
};

static void reject_enlightenment(const struct profile_value *value, const char *name)
{
	const char *names[ARRAY_SIZE(enlightenments)];
	struct diag *diag = value_reject(value, "not a Hyper-V enlightenment of QEMU");
	const char *near;

	for (size_t i = 0; i < ARRAY_SIZE(enlightenments); i++)
		names[i] = enlightenments[i].name;
	near = str_nearest(name, names, ARRAY_SIZE(names));
	if (str_eq(name, "vendor-id"))
		diag_hint(diag, "write it as a key of its own: vendor_id = …");
	else if (near)
		diag_hint(diag, "did you mean %s?", near);
	else
		diag_hint(diag, "write auto, on, off, or a list such as "
				"relaxed,vapic,spinlocks=0x1fff,time");
}

static bool is_flag_value(const char *text, const char *stand_in)
{
	uint64_t number;

	if (str_eq(stand_in, "NUMBER"))
		return (str_starts(text, "0x") ? str_parse_hex(text, &number)
					       : str_parse_u64(text, &number)) &&
		       number <= UINT32_MAX;
	return str_eq(text, "on") || str_eq(text, "off") || str_eq(text, "auto");
}

// One enlightenment in any of its spellings: "hv_relaxed", "hv-relaxed", "relaxed".
static void add_enlightenment(const struct profile_value *value, struct strv *features)
{
	AUTO_FREE char *text = mem_dup(value->text);
	char *item = text, *given = strchr(item, '=');
	const char *want, *argument;
	size_t i = 0;

	if (given)
		*given++ = '\0';
	for (char *c = item; *c; c++)
		*c = *c == '_' ? '-' : *c;
	if (str_starts(item, "hv-"))
		item += 3;
	while (i < ARRAY_SIZE(enlightenments) && !str_eq(enlightenments[i].name, item))
		i++;
	if (i == ARRAY_SIZE(enlightenments)) {
		reject_enlightenment(value, item);
		return;
	}
	want = enlightenments[i].value;
	argument = given ? given : enlightenments[i].fallback;
	if (!want && given)
		diag_hint(value_reject(value, "this one takes no value"), "write %s", item);
	else if (want && (!argument || !is_flag_value(argument, want)))
		diag_hint(value_reject(value, "not the value it wants"), "write %s=%s", item, want);
	else if (argument)
		strv_addf(features, "%s=%s", item, argument);
	else
		strv_add(features, item);
}

void value_parse_hyperv(const struct profile_key *row, const struct profile_value *value,
			void *field)
{
	static const char *const modes[] = { "auto", "on", "off" };
	struct hyperv_request *out = field;
	AUTO_STRV struct strv items = { 0 };
	enum hyperv_mode mode = HYPERV_LIST;
	bool yes;

	(void)row;
	strv_finish(&out->features);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (is_word(value, modes[i]))
			mode = (enum hyperv_mode)i;
	}
	if (mode == HYPERV_LIST && str_parse_bool(value->text, &yes))
		mode = yes ? HYPERV_ON : HYPERV_OFF;
	out->mode = *value->text ? mode : HYPERV_AUTO;
	if (out->mode != HYPERV_LIST)
		return;
	strv_split(&items, value->text, ", \t");
	for (size_t i = 0; i < items.count; i++) {
		struct profile_value one = *value;

		one.text = items.items[i];
		add_enlightenment(&one, &out->features);
	}
}

// QEMU cuts it at 12 bytes with a warning (target/i386/cpu.c, 7.2), and splits -cpu at commas,
// which it knows no way to write otherwise.
void value_parse_vendor_id(const struct profile_key *row, const struct profile_value *value,
			   void *field)
{
	size_t n = strlen(value->text);
	bool ok = true;

	for (size_t i = 0; i < n; i++)
		ok &= value->text[i] >= ' ' && value->text[i] <= '~' && value->text[i] != ',';
	if (!n)
		mem_set(field, NULL);
	else if (n > (size_t)row->max)
		diag_hint(value_reject(value, "%zu characters; the CPUID leaf holds 12", n),
			  "write 1 to 12 characters, such as AuthenticAMD");
	else if (!ok || value_is_quoted(value->text))
		diag_hint(value_reject(value, "not plain ASCII, or a comma is in it"),
			  "write 1 to 12 characters, such as AuthenticAMD");
	else
		mem_set(field, value->text);
}

// Features that are keys of their own, because other choices hang on them.
static const struct {
	const char *prefix, *instead;
} owned_features[] = {
	{ "hv-vendor-id", "vendor_id = …" },
	{ "hv-", "hyperv = …" },
	{ "kvm=", "hide_kvm = yes or no" },
};

static const char *owned_instead(const char *feature)
{
	AUTO_FREE char *name = mem_dup(feature + strspn(feature, "+-"));

	for (char *c = name; *c; c++)
		*c = *c == '_' ? '-' : *c;
	for (size_t i = 0; i < ARRAY_SIZE(owned_features); i++) {
		if (str_starts(name, owned_features[i].prefix))
			return owned_features[i].instead;
	}
	return str_eq(name, "kvm") ? "hide_kvm = yes or no" : NULL;
}

static void add_feature(const struct profile_key *row, const struct profile_value *value,
			void *features)
{
	const char *item = value->text;
	const char *name = item + (*item == '+' || *item == '-');
	size_t n =
		strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");
	const char *instead = owned_instead(item);

	(void)row;
	if (!n || !isalnum((unsigned char)*name) ||
	    (name[n] && (name[n] != '=' || name != item || !name[n + 1])))
		diag_hint(value_reject(value, "not a CPU feature"),
			  "write +name, -name or name=value, as `qemu-system-x86_64 -cpu help` "
			  "lists them");
	else if (instead)
		diag_hint(value_reject(value, "this has a key of its own"), "write %s", instead);
	else if (name == item && !name[n])
		strv_addf(features, "+%s", item);
	else
		strv_add(features, item);
}

void value_parse_features(const struct profile_key *row, const struct profile_value *value,
			  void *field)
{
	value_parse_items(row, value, field, add_feature);
}
