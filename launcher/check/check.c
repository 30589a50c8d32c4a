// SPDX-License-Identifier: MIT
#include "launcher/check/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/plan/plan.h"

#include <assert.h>
#include <string.h>

static bool passes(const struct profile *p)
{
	return p->n_pcis || p->n_mdevs;
}

static bool passes_pci(const struct profile *p)
{
	return p->n_pcis;
}

// By VFIO's own container, and not by iommufd.
static bool passes_by_container(const struct profile *p)
{
	bool found = p->n_mdevs;

	for (size_t i = 0; i < p->n_pcis; i++)
		found |= p->pcis[i].iommufd != TRI_YES;
	return found;
}

static bool wants_kvm(const struct profile *p)
{
	return p->vm.accel != ACCEL_TCG;
}

static bool wants_uefi(const struct profile *p)
{
	return !p->firmware.code &&
	       (p->firmware.type_set ? p->firmware.type <= FIRMWARE_OVMF_SECUREBOOT : !p->boot.kernel);
}

static bool is_placed(const struct profile *p)
{
	return p->cpu.pin.mode != CPUS_NONE;
}

static bool wants_isolation(const struct profile *p)
{
	return is_placed(p) && p->cpu.isolate != ISOLATE_NONE;
}

static bool wants_small_pages(const struct profile *p)
{
	return p->memory.hugepages <= HUGEPAGES_NONE;
}

static bool shares_input(const struct profile *p)
{
	return profile_has_section(p, "input");
}

// What only a look at the host as such is about: of a guest the plan says it, or it has no part in it.
static bool never(const struct profile *p)
{
	(void)p;
	return false;
}

// The checklist, in the order in which it is read. With a profile, `matters` says whether it is this guest's
// business; NULL: everybody's. `stops`: without it no guest starts, which no plan knows.
static const struct check_row {
	const char *codes; // that it may give
	void (*look)(struct checking *c);
	bool (*matters)(const struct profile *profile);
	bool stops;
} rows[] = {
	{ "iommu-off", check_iommu, passes, false },
	{ "no-interrupt-remapping", check_remapping, passes, false },
	{ "acs-override acs-override-unknown", check_acs, passes_pci, false },
	{ "no-vfio-pci", check_vfio_pci, passes_pci, false },
	{ "no-vfio-iommu", check_vfio_type1, passes_by_container, false },
	{ "vfio-container", check_vfio_container, passes_by_container, true },
	{ "vfio-rights", check_vfio_groups, passes, false },
	{ "memlock", check_memlock, passes, false },
	{ "pci-stuck pci-dead", check_devices, never, false },
	{ "only-gpu no-gpu", check_gpus, never, false },
	{ "kvm-unsupported kvm-not-loaded kvm-rights kvm-unusable", check_kvm, wants_kvm, false },
	{ "no-qemu", check_qemu, NULL, false },
	{ "no-vfio", check_qemu_vfio, passes, false },
	{ "no-firmware", check_firmware, wants_uefi, false },
	{ "no-partition", check_isolation, wants_isolation, false },
	{ "isolated-cpus", check_isolated, is_placed, false },
	{ "scheduler-foreign", check_scheduler, is_placed, false },
	{ "clock-slow", check_clock, wants_kvm, false },
	{ "host-rival", check_rivals, never, false },
	{ "irqbalance", check_irqbalance, never, false },
	{ "no-hugepages", check_hugepages, NULL, false },
	{ "thp-never", check_thp, wants_small_pages, false },
	{ "memory-ksm", check_ksm, wants_small_pages, false },
	{ "memory-swap", check_swap, wants_small_pages, false },
	{ "not-root user-nobody", check_user, NULL, false },
	{ "no-run-dir", check_run_dir, NULL, true },
	{ "no-realtime", check_realtime, is_placed, false },
	{ "no-uinput", check_uinput, shares_input, false },
	{ "input-rights", check_inputs, shares_input, false },
	{ "no-logind", check_logind, NULL, false },
	{ "guest-dead guest-orphan guest-running", check_guests, NULL, false },
};

const char *check_codes(size_t row)
{
	return row < ARRAY_SIZE(rows) ? rows[row].codes : row == ARRAY_SIZE(rows) ? "refused" : NULL;
}

const char *severity_name(enum severity severity)
{
	static const char *const names[] = { [SEVERITY_OK] = "ok",
					     [SEVERITY_INFO] = "info",
					     [SEVERITY_UNKNOWN] = "unknown",
					     [SEVERITY_WARNING] = "warning",
					     [SEVERITY_ERROR] = "error" };

	return names[severity];
}

static bool has_code(const char *codes, const char *code)
{
	AUTO_STRV struct strv list = { 0 };

	strv_split(&list, codes, " ");
	return strv_has(&list, code);
}

static char *print(const char *fmt, va_list ap)
{
	struct str text = { 0 };

	str_addv(&text, fmt, ap);
	return str_take(&text);
}

struct finding *checking_add(struct checking *c, enum severity severity, const char *code, const char *subject,
			     const char *fmt, ...)
{
	struct finding *finding = MEM_PUSH(c->out->items, c->out->count);
	va_list ap;

	assert(has_code(c->row->codes, code));
	// what can't be had by this guest the plan has said
	if (c->profile && severity == SEVERITY_ERROR && !c->row->stops)
		severity = SEVERITY_WARNING;
	*finding = (struct finding){ .severity = severity, .code = code, .subject = mem_dup(subject) };
	va_start(ap, fmt);
	finding->evidence = print(fmt, ap);
	va_end(ap);
	return finding;
}

void finding_because(struct finding *finding, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	free(finding->reason);
	finding->reason = print(fmt, ap);
	va_end(ap);
}

void finding_mend(struct finding *finding, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	free(finding->remedy);
	finding->remedy = print(fmt, ap);
	va_end(ap);
}

bool checking_has_line(const struct checking *c)
{
	return c->facts->live || *c->facts->system.cmdline;
}

const char *checking_user(const struct checking *c)
{
	return c->facts->root ? "root" : c->facts->self.name ? c->facts->self.name : "this user";
}

// --- what the plan says

static char *place_of(const struct diag *diag, const struct profile *profile)
{
	if (diag->file && diag->line)
		return mem_printf("%s:%d", diag->file, diag->line);
	return mem_dup(diag->file ? diag->file : profile->path ? profile->path : "profile");
}

static void add_diags(const struct diags *diags, const struct profile *profile, struct findings *out)
{
	for (size_t i = 0; i < diags->count; i++) {
		const struct diag *diag = &diags->items[i];
		bool warning = diag->level == DIAG_WARNING;

		*MEM_PUSH(out->items, out->count) = (struct finding){
			.severity = warning ? SEVERITY_WARNING : SEVERITY_ERROR,
			.code = diag->code,
			.subject = place_of(diag, profile),
			.evidence = mem_dup(diag->text),
			.remedy = mem_dup(diag->hint),
		};
	}
}

static bool is_said(const struct diags *diags, const char *codes)
{
	for (size_t i = 0; i < diags->count; i++) {
		if (has_code(codes, diags->items[i].code))
			return true;
	}
	return false;
}

// Where nothing stands against it, that is the first thing to be read.
static void add_plan(const struct check_input *input, struct findings *out)
{
	const struct plan *plan = input->plan;
	AUTO_STR struct str memory = { 0 };
	size_t vcpus = 0;

	if (diags_exit_status(input->diags))
		return;
	for (size_t i = 0; i < plan->n_pins; i++)
		vcpus += plan->pins[i].target == PIN_VCPU;
	str_add_size(&memory, plan->memory_bytes);
	*MEM_PUSH(out->items, out->count) = (struct finding){
		.severity = SEVERITY_OK,
		.code = "refused",
		.subject = mem_dup(plan->name),
		.evidence = mem_printf("it can be started: %zu vCPU%s, %s, %zu device%s of the host", vcpus,
				       vcpus == 1 ? "" : "s", str_text(&memory), plan->n_devices,
				       plan->n_devices == 1 ? "" : "s"),
	};
}

// --- all of it

// What the plan has said with its place is not said again.
static bool is_due(const struct check_row *row, const struct check_input *input)
{
	if (!input->profile)
		return true;
	return !(row->matters && !row->matters(input->profile)) && !is_said(input->diags, row->codes) &&
	       !is_said(&input->plan->warnings, row->codes);
}

void findings_make(const struct check_input *input, struct findings *out)
{
	struct checking c = { .facts = input->facts, .profile = input->profile, .plan = input->plan, .out = out };

	if (input->profile) {
		add_plan(input, out);
		add_diags(input->diags, input->profile, out);
		add_diags(&input->plan->warnings, input->profile, out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		c.row = &rows[i];
		if (is_due(c.row, input))
			c.row->look(&c);
	}
}

void findings_finish(struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		free(findings->items[i].subject);
		free(findings->items[i].evidence);
		free(findings->items[i].reason);
		free(findings->items[i].remedy);
	}
	free(findings->items);
	*findings = (struct findings){ 0 };
}

size_t findings_count(const struct findings *findings, enum severity severity)
{
	size_t n = 0;

	for (size_t i = 0; i < findings->count; i++)
		n += findings->items[i].severity == severity;
	return n;
}
