// SPDX-License-Identifier: MIT
#include "launcher/plan/changes.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/facts.h"
#include "launcher/plan/plan.h"

#include <inttypes.h>

// What one key of [host] asks of one attribute.
struct wish {
	const char *key;
	enum attribute attribute;
	const char *kind;
	const char *value; // NULL: not asked for
	const char *why;
};

// CPUs that the guest's threads run on: the others keep what they have.
static struct cpuset guest_cpus(const struct plan *plan, const struct facts *facts)
{
	struct cpuset cpus = { 0 };

	for (size_t i = 0; i < plan->n_pins; i++) {
		if (plan->pins[i].target == PIN_VCPU || plan->pins[i].target == PIN_IOTHREAD)
			cpuset_or(&cpus, &plan->pins[i].cpus);
	}
	return cpuset_is_empty(&cpus) ? facts->cpus.online : cpus;
}

static void refuse_value(const struct profile *profile, const struct wish *wish,
			 const struct attribute_fact *fact, struct diags *diags)
{
	diag_hint(diag_add(diags, DIAG_HOST_ERROR, "host-value", profile_where(profile, "host", NULL, wish->key),
			   "%s does not take `%s`", fact->path, wish->value),
		  "it takes: %s", fact->choices);
}

static void check_wish(const struct profile *profile, const struct wish *wish,
		       const struct attribute_fact *fact, struct diags *diags)
{
	if (!attribute_takes(fact, wish->value))
		refuse_value(profile, wish, fact, diags);
	else if (fact->fixed && !str_eq(fact->value, wish->value))
		diag_hint(diag_add(diags, DIAG_HOST_ERROR, "host-fixed",
				   profile_where(profile, "host", NULL, wish->key),
				   "%s can't be set on this kernel: it is %s, for reading only", fact->path,
				   fact->value ? fact->value : "there"),
			  "leave `%s` out of [host], or set it on the kernel line or in modprobe.d", wish->key);
}

static size_t add_wish(const struct profile *profile, const struct facts *facts, const struct wish *wish,
		       const struct cpuset *cpus, struct plan *plan, struct diags *diags)
{
	struct cpuset policies = { 0 };
	size_t found = 0;

	for (size_t i = 0; i < facts->attributes.count; i++) {
		const struct attribute_fact *fact = &facts->attributes.items[i];

		if (fact->attribute != wish->attribute ||
		    (fact->cpu >= 0 && !cpuset_has(cpus, fact->cpu)) || cpuset_has(&policies, fact->policy))
			continue;
		if (fact->policy >= 0)
			cpuset_add(&policies, fact->policy);
		if (!found++)
			check_wish(profile, wish, fact, diags);
		change_add(&plan->changes, wish->kind, fact->path, fact->value, wish->value, "%s",
			   wish->why);
	}
	return found;
}

static void say_missing(const struct profile *profile, const char *key, struct diags *diags)
{
	diag_hint(diag_add(diags, DIAG_HOST_ERROR, "host-lacks", profile_where(profile, "host", NULL, key),
			   "this host has nothing to set `%s` on", key),
		  "leave `%s` out of [host]", key);
}

static bool can_change(const struct profile *profile, const struct facts *facts, struct diags *diags)
{
	if (facts->root || !facts->live)
		return true;
	diag_hint(diag_add(diags, DIAG_HOST_ERROR, "not-root", (struct place){ profile->path, 0 },
			   "the [host] section changes the host, which only root can"),
		  "run with sudo, or leave [host] out");
	return false;
}

// Boost has two homes: cpufreq's (1 is on) and intel_pstate's (1 is off).
static void add_boost(const struct profile *profile, const struct facts *facts, struct plan *plan,
		      struct diags *diags)
{
	bool on = profile->host.boost == TRI_YES;
	const char *why = on ? "the guest's CPUs may boost" : "no boost: steadier clocks";
	const struct wish wishes[] = {
		{ "boost", ATTRIBUTE_BOOST, "set", on ? "1" : "0", why },
		{ "boost", ATTRIBUTE_NO_TURBO, "set", on ? "0" : "1", why },
	};

	if (profile->host.boost == TRI_AUTO)
		return;
	if (add_wish(profile, facts, &wishes[0], NULL, plan, diags) +
		    add_wish(profile, facts, &wishes[1], NULL, plan, diags) == 0)
		say_missing(profile, "boost", diags);
}

// Services that set the same by themselves, whenever they see fit: then what is asked for here does not last, and
// is left alone at the end, as somebody else's.
static const struct rival {
	enum daemon_kind daemon;
	enum attribute attributes[4];
	const char *does, *remedy;
} rivals[] = {
	{ DAEMON_TUNED,
	  { ATTRIBUTE_GOVERNOR, ATTRIBUTE_EPP, ATTRIBUTE_MIN_FREQ, ATTRIBUTE_LATENCY },
	  "sets clocks and idle states as its profile says",
	  "tuned-adm off, or a TuneD profile without a [cpu] section" },
	{ DAEMON_POWER_PROFILES,
	  { ATTRIBUTE_GOVERNOR, ATTRIBUTE_EPP, ATTRIBUTE_BOOST, ATTRIBUTE_NO_TURBO },
	  "sets them whenever the power profile, the lid or the battery changes",
	  "powerprofilesctl set performance, or systemctl stop power-profiles-daemon" },
	{ DAEMON_AUTO_CPUFREQ,
	  { ATTRIBUTE_GOVERNOR, ATTRIBUTE_EPP, ATTRIBUTE_MIN_FREQ, ATTRIBUTE_BOOST },
	  "sets them every few seconds, by load and battery",
	  "systemctl stop auto-cpufreq" },
};

bool plan_rival(enum daemon_kind daemon, const char **does, const char **remedy)
{
	for (size_t i = 0; i < ARRAY_SIZE(rivals); i++) {
		if (rivals[i].daemon != daemon)
			continue;
		*does = rivals[i].does;
		*remedy = rivals[i].remedy;
		return true;
	}
	return false;
}

static const struct wish *find_wish(const struct wish *wishes, size_t n, const struct rival *rival)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; wishes[i].value && j < ARRAY_SIZE(rival->attributes); j++) {
			if (wishes[i].attribute == rival->attributes[j])
				return &wishes[i];
		}
	}
	return NULL;
}

static void warn_of_rivals(const struct profile *profile, const struct facts *facts, const struct wish *wishes,
			   size_t n, struct diags *diags)
{
	const struct wish boost = { "boost", ATTRIBUTE_BOOST, "set", "", "" };

	for (size_t i = 0; i < ARRAY_SIZE(rivals); i++) {
		const struct rival *rival = &rivals[i];
		const struct wish *wish = find_wish(wishes, n, rival);
		pid_t pid = facts->daemons.pids[rival->daemon];
		AUTO_FREE char *follows = NULL;

		if (!wish && profile->host.boost != TRI_AUTO)
			wish = find_wish(&boost, 1, rival);
		if (!pid || !wish)
			continue;
		if (rival->daemon == DAEMON_TUNED && facts->daemons.tuned_profile[0])
			follows = mem_printf(" (profile `%s`)", facts->daemons.tuned_profile);
		diag_hint(diag_add(diags, DIAG_WARNING, "host-rival",
				   profile_where(profile, "host", NULL, wish->key),
				   "%s%s runs as process %d and %s: `%s` may not last",
				   daemon_name(rival->daemon), follows ? follows : "", (int)pid, rival->does,
				   wish->key),
			  "while the guest runs: %s", rival->remedy);
	}
}

// Where the driver itself picks the clock, the governor performance is a preference of its own (EBUSY: Linux 6.1,
// drivers/cpufreq/intel_pstate.c, intel_pstate_set_energy_pref_index; amd-pstate does the same from 6.3 on).
static void check_preference(const struct profile *profile, struct diags *diags)
{
	const char *epp = profile->host.epp;

	if (epp && str_eq(profile->host.governor, "performance") && !str_eq(epp, "performance"))
		diag_hint(diag_add(diags, DIAG_WARNING, "epp-governor", profile_where(profile, "host", NULL, "epp"),
				   "under the governor `performance`, intel_pstate and amd-pstate refuse the "
				   "preference `%s`", epp),
			  "epp = performance, or governor = powersave");
}

// Whether it is granted, only logind knows: it may ask polkit about a user.
static void add_inhibit(const struct profile *profile, const struct facts *facts, struct plan *plan,
			struct diags *diags)
{
	enum tri wanted = profile->host.inhibit_sleep;

	if (wanted == TRI_YES && !facts->system.logind)
		diag_hint(diag_add(diags, DIAG_HOST_ERROR, "no-logind",
				   profile_where(profile, "host", NULL, "inhibit_sleep"),
				   "there is no systemd-logind here that could keep the host awake"),
			  "inhibit_sleep = no, or auto, which goes on without");
	else if (wanted != TRI_NO && facts->system.logind)
		change_add(&plan->changes, "inhibit", "sleep", NULL, wanted == TRI_YES ? "block" : "try",
			   "the host stays awake while %s runs", profile->vm.name);
}

static char *number(int64_t value)
{
	return value < 0 ? NULL : mem_printf("%" PRId64, value);
}

void plan_add_changes(const struct profile *profile, const struct facts *facts, struct plan *plan,
		      struct diags *diags)
{
	AUTO_FREE char *min_freq = number(profile->host.min_freq);
	AUTO_FREE char *halt_poll = number(profile->host.halt_poll_ns);
	AUTO_FREE char *latency = number(profile->host.latency);
	const struct wish wishes[] = {
		{ "governor", ATTRIBUTE_GOVERNOR, "set", profile->host.governor,
		  "the governor decides how fast the guest's CPUs clock up" },
		{ "epp", ATTRIBUTE_EPP, "set", profile->host.epp,
		  "the firmware's bias between speed and power on the guest's CPUs" },
		{ "min_freq", ATTRIBUTE_MIN_FREQ, "set", min_freq,
		  "the guest's CPUs do not clock below this" },
		{ "halt_poll_ns", ATTRIBUTE_HALT_POLL_NS, "set", halt_poll,
		  "how long KVM polls before a halted vCPU sleeps" },
		{ "ignore_msrs", ATTRIBUTE_IGNORE_MSRS, "set",
		  profile->host.ignore_msrs == TRI_AUTO ? NULL :
		  profile->host.ignore_msrs == TRI_YES	? "1" :
							  "0",
		  "what a guest sees when it reads a model-specific register that KVM does not know" },
		{ "report_ignored_msrs", ATTRIBUTE_REPORT_MSRS, "set",
		  profile->host.report_ignored_msrs == TRI_AUTO ? NULL :
		  profile->host.report_ignored_msrs == TRI_YES	? "1" :
								  "0",
		  "whether KVM logs each model-specific register that it ignores" },
		{ "latency", ATTRIBUTE_LATENCY, "hold", latency,
		  "CPUs enter no idle state that takes longer to leave" },
	};
	struct cpuset cpus = guest_cpus(plan, facts);
	bool asked = profile->host.boost != TRI_AUTO;

	add_inhibit(profile, facts, plan, diags);
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++)
		asked |= wishes[i].value != NULL;
	if (!asked || !can_change(profile, facts, diags))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
		if (wishes[i].value && !add_wish(profile, facts, &wishes[i], &cpus, plan, diags))
			say_missing(profile, wishes[i].key, diags);
	}
	add_boost(profile, facts, plan, diags);
	check_preference(profile, diags);
	warn_of_rivals(profile, facts, wishes, ARRAY_SIZE(wishes), diags);
}
