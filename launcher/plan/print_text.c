// SPDX-License-Identifier: MIT
#include "launcher/plan/print.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/plan/plan.h"

#include <string.h>

enum { COLUMNS = 80, LABEL = 12 };

// Columns that text takes: UTF-8's continuation bytes take none.
static int width_of(const char *text, size_t n)
{
	int width = 0;

	for (size_t i = 0; i < n; i++)
		width += ((unsigned char)text[i] & 0xc0) != 0x80;
	return width;
}

// Adds words from column `at` on, and breaks lines between words; the next lines begin at `indent`.
static void add_wrapped(struct str *out, int at, int indent, const char *text)
{
	const char *space = "";

	while (*(text += strspn(text, " "))) {
		size_t n = strcspn(text, " ");
		int width = width_of(text, n);

		if (*space && at + 1 + width > COLUMNS) {
			str_addf(out, "\n%*s", indent, "");
			at = indent;
			space = "";
		}
		str_add(out, space);
		str_addn(out, text, n);
		at += (*space != '\0') + width;
		space = " ";
		text += n;
	}
	str_addc(out, '\n');
}

static void add_heading(struct str *out, const char *heading)
{
	str_addf(out, "\n%s\n", heading);
}

// "  label     words that go on\n"; a NULL text is left out.
static void add_row(struct str *out, const char *label, const char *text)
{
	int at = 2 + width_of(label, strlen(label));

	if (!text || !*text)
		return;
	if (at >= LABEL)
		str_addf(out, "  %s\n%*s", label, LABEL, "");
	else
		str_addf(out, "  %s%*s", label, LABEL - at, "");
	add_wrapped(out, LABEL, LABEL, text);
}

static char *size_text(uint64_t bytes)
{
	struct str text = { 0 };

	str_add_size(&text, bytes);
	return str_take(&text);
}

static void print_guest(const struct plan *plan, struct str *out)
{
	AUTO_FREE char *accel = mem_printf("%s%s%s", plan->kvm ? "KVM" : "TCG", plan->accel_why ? ": " : "",
					   plan->accel_why ?: "");

	str_addf(out, "guest %s: %d vCPU%s\n", plan->name, plan->n_vcpus, plan->n_vcpus == 1 ? "" : "s");
	add_row(out, "qemu", plan->qemu);
	add_row(out, "accel", accel);
	add_row(out, "cpu", plan->cpu_why);
	add_row(out, "topology", plan->topology_why);
	add_row(out, "display", plan->display_why);
	for (size_t i = 0; i < plan->usb_why.count; i++)
		add_row(out, i ? "" : "usb", plan->usb_why.items[i]);
	for (size_t i = 0; i < plan->clients.count; i++)
		add_row(out, i ? "" : "clients", plan->clients.items[i]);
	if (plan->console) {
		AUTO_FREE char *path = mem_printf("serial, %s/console.sock", plan->run_dir);

		add_row(out, "console", path);
	}
}

// The widest set of CPUs, so that the policies stand below each other; very wide ones just push theirs.
static int cpus_width(const struct plan *plan)
{
	enum { LEAST = 4, MOST = 16 };
	int widest = LEAST;

	for (size_t i = 0; i < plan->n_pins; i++) {
		AUTO_FREE char *cpus = cpuset_text(&plan->pins[i].cpus);
		int width = (int)strlen(cpus);

		widest = width > widest && width <= MOST ? width : widest;
	}
	return widest;
}

static void print_pin(const struct plan_pin *pin, int width, struct str *out)
{
	AUTO_FREE char *cpus = cpuset_text(&pin->cpus);
	AUTO_STR struct str policy = { 0 };
	AUTO_STR struct str line = { 0 };
	bool explained = pin->why && *pin->why;

	sched_print(&pin->sched, &policy);
	str_addf(&line, "  %-10s %-*s  ", pin->thread, width, *cpus ? cpus : "any");
	str_addf(&line, explained ? "%-7s " : "%s", str_text(&policy));
	str_add(out, str_text(&line));
	add_wrapped(out, (int)line.len, 2 + 11 + width + 2 + 8, explained ? pin->why : "");
}

static void print_pins(const struct plan *plan, struct str *out)
{
	int width = cpus_width(plan);

	if (plan->n_pins)
		add_heading(out, "threads and their CPUs");
	for (size_t i = 0; i < plan->n_pins; i++)
		print_pin(&plan->pins[i], width, out);
	if (plan->isolation.method) {
		AUTO_FREE char *text = mem_printf("%s%s%s", plan->isolation.method,
						  plan->isolation.why ? ": " : "",
						  plan->isolation.why ?: "");

		add_row(out, "isolation", text);
		add_row(out, "hint", plan->isolation.hint);
	}
}

static void print_map(const struct plan *plan, struct str *out)
{
	if (!plan->map)
		return;
	add_heading(out, "what runs where");
	str_add(out, plan->map);
}

static void print_memory(const struct plan *plan, struct str *out)
{
	AUTO_FREE char *bytes = size_text(plan->memory_bytes);
	AUTO_STR struct str text = { 0 };

	add_heading(out, "memory");
	str_add(&text, bytes);
	if (plan->hugepage) {
		AUTO_FREE char *page = size_text(plan->hugepage);

		str_addf(&text, " in pages of %s", page);
	}
	if (plan->memory_nodes && *plan->memory_nodes)
		str_addf(&text, ", from node %s", plan->memory_nodes);
	if (plan->memory_why)
		str_addf(&text, ": %s", plan->memory_why);
	add_row(out, "size", str_text(&text));
	if (plan->memlock == UINT64_MAX) {
		add_row(out, "memlock", "unlimited");
	} else if (plan->memlock) {
		AUTO_FREE char *limit = size_text(plan->memlock);

		add_row(out, "memlock", limit);
	}
}

static void print_device(const struct plan_device *device, struct str *out)
{
	AUTO_STR struct str text = { 0 };

	if (device->class_name)
		str_addf(&text, "%s, ", device->class_name);
	str_addf(&text, "%s; ", device->name);
	if (device->group >= 0)
		str_addf(&text, "IOMMU group %d, ", device->group);
	str_addf(&text, "driver now: %s", device->driver ?: "none");
	if (device->iommufd)
		str_add(&text, ", reached by iommufd");
	if (!device->mdev && !device->resets.count)
		str_add(&text, ", no reset");
	for (size_t i = 0; i < device->resets.count && !device->mdev; i++)
		str_addf(&text, "%s%s", i ? ", " : ", reset by ", device->resets.items[i]);
	str_addf(out, "  %s ", device->address);
	add_wrapped(out, 3 + width_of(device->address, strlen(device->address)), 8, str_text(&text));
	str_add(out, "        ");
	add_wrapped(out, 8, 8, device->why);
}

static void print_devices(const struct plan *plan, struct str *out)
{
	if (plan->n_devices)
		add_heading(out, "devices of the host for the guest");
	for (size_t i = 0; i < plan->n_devices; i++)
		print_device(&plan->devices[i], out);
}

static void add_value(struct str *out, const char *value)
{
	if (value && *value)
		str_add_escaped(out, value);
	else
		str_add(out, value ? "(empty)" : "(nothing)");
}

static bool is_same_change(const struct change *a, const struct change *b)
{
	return str_eq(a->kind, b->kind) && str_eq(a->was, b->was) && str_eq(a->want, b->want) &&
	       str_eq(a->why, b->why);
}

// What one key asks of each CPU is said once, behind the paths. Returns how many there were.
static size_t print_alike_changes(const struct change *change, size_t most, struct str *out)
{
	AUTO_STR struct str values = { 0 };
	size_t n = 0;

	for (; n < most && is_same_change(change, &change[n]); n++)
		str_addf(out, "  %-5s %s\n", n ? "" : change->kind, change[n].path);
	add_value(&values, change->was);
	str_add(&values, " -> ");
	add_value(&values, change->want);
	str_add(out, "        ");
	add_wrapped(out, 8, 8, str_text(&values));
	if (change->why) {
		str_add(out, "        ");
		add_wrapped(out, 8, 8, change->why);
	}
	return n;
}

static void print_changes(const struct plan *plan, struct str *out)
{
	add_heading(out, "host changes, undone at the end");
	if (!plan->changes.count)
		str_add(out, "  none\n");
	for (size_t i = 0; i < plan->changes.count;)
		i += print_alike_changes(&plan->changes.items[i], plan->changes.count - i, out);
}

// The queues of a card look alike.
static bool is_alike(const struct plan_fd *a, const struct plan_fd *b)
{
	return a->kind == b->kind && b->fd == a->fd + 1 && str_eq(a->what, b->what) &&
	       str_eq(a->path, b->path);
}

// One row for all that are alike from here on. Returns how many.
static size_t print_fds(const struct plan_fd *fd, size_t most, struct str *out)
{
	AUTO_STR struct str numbers = { 0 };
	size_t n = 1;

	while (n < most && is_alike(&fd[n - 1], &fd[n]))
		n++;
	str_addf(&numbers, "%d", fd->fd);
	if (n > 1)
		str_addf(&numbers, "-%d", fd[n - 1].fd);
	str_addf(out, "  %-5s %s", str_text(&numbers), fd->what);
	if (fd->kind == PLAN_FD_COPY)
		str_add(out, ", as a copy in memory");
	else if (fd->kind == PLAN_FD_FILE && !fd->write)
		str_add(out, ", read only");
	if (fd->ifname)
		str_addf(out, ", interface %s", fd->ifname);
	if (fd->bridge)
		str_addf(out, ", bridge %s", fd->bridge);
	str_addc(out, '\n');
	if (fd->path)
		str_addf(out, "        %s\n", fd->path);
	return n;
}

static void print_files(const struct plan *plan, struct str *out)
{
	const struct plan_vars *vars = &plan->vars;

	if (plan->n_fds)
		add_heading(out, "opened for QEMU");
	for (size_t i = 0; i < plan->n_fds;)
		i += print_fds(&plan->fds[i], plan->n_fds - i, out);
	if (vars->used && vars->create) {
		AUTO_FREE char *text = mem_printf("%s, made once from %s", vars->path, vars->template);

		add_heading(out, "kept after the guest");
		add_row(out, "variables", text);
	}
}

static void add_command(struct str *out, const struct strv *argv, const char *indent)
{
	for (size_t i = 0; i < argv->count; i++) {
		if (i)
			str_add(out, argv->items[i][0] == '-' ? " \\\n" : " ");
		if (i == 0 || argv->items[i][0] == '-')
			str_addf(out, "%s%s", indent, i ? "  " : "");
		str_add_shell_quoted(out, argv->items[i]);
	}
	str_addc(out, '\n');
}

static void print_input(const struct plan_input *input, struct str *out)
{
	AUTO_STR struct str text = { 0 };

	str_addf(&text, "%s, %s", input->name, input->device);
	if (input->lost)
		str_addf(&text, "; the guest does not get: %s", input->lost);
	add_row(out, input->role, str_text(&text));
}

static void print_inputs(const struct plan *plan, struct str *out)
{
	if (!plan->input.used)
		return;
	add_heading(out, "keyboard and mouse, shared with the guest");
	for (size_t i = 0; i < plan->n_inputs; i++)
		print_input(&plan->inputs[i], out);
	if (!plan->n_inputs)
		add_row(out, "devices", "none is there now; those that come are taken");
	for (size_t i = 0; i < plan->input.hotkeys.count; i++)
		add_row(out, i ? "" : "hotkeys", plan->input.hotkeys.items[i]);
	add_row(out, "panic", plan->input.panic ?: "none");
	add_row(out, "start", plan->input.start_guest ? "the guest has the input first" :
							"the host has the input first");
	add_row(out, "transport", plan->input.virtio_host ?
					  "virtio-host: the guest needs a driver, and gets everything" :
					  "input-linux: works in every guest, firmware and installers "
					  "included");
	if (plan->input.timeout) {
		AUTO_FREE char *limit = mem_printf("everything is given back after %d s", plan->input.timeout);

		add_row(out, "limit", limit);
	}
}

static void print_helpers(const struct plan *plan, struct str *out)
{
	if (plan->n_helpers)
		add_heading(out, "helpers");
	for (size_t i = 0; i < plan->n_helpers; i++)
		add_command(out, &plan->helpers[i].argv, "  ");
}

static char *user_text(const struct plan *plan)
{
	const char *name = plan->user.name ?: "?";

	if (plan->user.uid == (uid_t)-1)
		return mem_dup(name);
	return mem_printf("%s (uid %u, gid %u)", name, plan->user.uid, plan->user.gid);
}

static void print_user(const struct plan *plan, struct str *out)
{
	static const struct {
		const char *label;
		size_t offset;
	} hooks[] = {
		{ "before", offsetof(struct plan, hook_before) },
		{ "started", offsetof(struct plan, hook_started) },
		{ "stopped", offsetof(struct plan, hook_stopped) },
	};
	AUTO_FREE char *user = user_text(plan);

	add_heading(out, "who runs and steers it");
	add_row(out, "user", user);
	if (plan->kvm_node)
		add_row(out, "/dev/kvm", "opened by its group; where no group may, as a node that only this "
					 "guest sees");
	for (size_t i = 0; i < plan->operators.count; i++)
		add_row(out, i ? "" : "operators", plan->operators.items[i]);
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		const struct strv *hook = (const void *)((const char *)plan + hooks[i].offset);
		AUTO_STR struct str line = { 0 };

		for (size_t k = 0; k < hook->count; k++) {
			str_add(&line, k ? " " : "");
			str_add_shell_quoted(&line, hook->items[k]);
		}
		add_row(out, hooks[i].label, str_text(&line));
	}
}

static void print_warnings(const struct plan *plan, struct str *out)
{
	if (plan->warnings.count)
		add_heading(out, "warnings");
	for (size_t i = 0; i < plan->warnings.count; i++) {
		const struct diag *diag = &plan->warnings.items[i];
		AUTO_STR struct str text = { 0 };

		if (diag->file)
			str_addf(&text, "%s:%d: ", diag->file, diag->line);
		str_add(&text, diag->text);
		str_add(out, "  ");
		add_wrapped(out, 2, 2, str_text(&text));
		if (diag->hint) {
			str_add(out, "    hint: ");
			add_wrapped(out, 10, 10, diag->hint);
		}
	}
}

static void print_environment(const struct plan *plan, struct str *out)
{
	if (plan->environment.count)
		add_heading(out, "environment");
	for (size_t i = 0; i < plan->environment.count; i++) {
		str_add(out, "  ");
		str_add_shell_quoted(out, plan->environment.items[i]);
		str_addc(out, '\n');
	}
}

void plan_print_text(const struct plan *plan, struct str *out)
{
	print_guest(plan, out);
	print_warnings(plan, out);
	print_pins(plan, out);
	print_map(plan, out);
	print_memory(plan, out);
	print_devices(plan, out);
	print_changes(plan, out);
	print_files(plan, out);
	print_helpers(plan, out);
	print_inputs(plan, out);
	print_user(plan, out);
	print_environment(plan, out);
	add_heading(out, "command");
	add_command(out, &plan->argv, "  ");
}

void plan_print_argv(const struct plan *plan, struct str *out)
{
	add_command(out, &plan->argv_paths, "");
}
