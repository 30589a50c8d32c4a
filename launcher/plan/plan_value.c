// SPDX-License-Identifier: MIT
#include "launcher/plan/plan.h"

#include "base/mem.h"

#include <stdlib.h>

// Above the standard three, with room for what a person's own -chardev or --add-fd may number low.
enum { FIRST_FD = 10 };

struct plan_fd *plan_add_fd(struct plan *plan, enum plan_fd_kind kind, const char *what, const char *path)
{
	int number = FIRST_FD + (int)plan->n_fds;
	struct plan_fd *fd = MEM_PUSH(plan->fds, plan->n_fds);

	*fd = (struct plan_fd){ .fd = number,
				.kind = kind,
				.what = mem_dup(what),
				.path = mem_dup(path),
				.helper = -1 };
	return fd;
}

static void finish_fds(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_fds; i++) {
		free(plan->fds[i].what);
		free(plan->fds[i].path);
		free(plan->fds[i].ifname);
		free(plan->fds[i].bridge);
	}
	free(plan->fds);
}

static void finish_pins(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_pins; i++) {
		free(plan->pins[i].thread);
		free(plan->pins[i].why);
	}
	free(plan->pins);
}

static void finish_devices(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_devices; i++) {
		struct plan_device *device = &plan->devices[i];

		free(device->address);
		free(device->name);
		free(device->class_name);
		free(device->driver);
		free(device->why);
		strv_finish(&device->resets);
	}
	free(plan->devices);
}

static void finish_helpers(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_helpers; i++) {
		free(plan->helpers[i].name);
		strv_finish(&plan->helpers[i].argv);
		free(plan->helpers[i].socket);
	}
	free(plan->helpers);
}

static void finish_inputs(struct plan *plan)
{
	struct strv *lists[] = { &plan->input.keyboard,	 &plan->input.mouse,	 &plan->input.device,
				 &plan->input.hotkeys,	 &plan->input.keep_held, &plan->input.on_host,
				 &plan->input.on_guest };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		strv_finish(lists[i]);
	free(plan->input.panic);
	for (size_t i = 0; i < plan->n_inputs; i++) {
		free(plan->inputs[i].device);
		free(plan->inputs[i].name);
		free(plan->inputs[i].role);
		free(plan->inputs[i].lost);
	}
	free(plan->inputs);
}

static void finish_texts(struct plan *plan)
{
	char *texts[] = {
		plan->name,	      plan->user.name,	 plan->memory_nodes, plan->isolation.method,
		plan->isolation.cpus, plan->isolation.why, plan->vars.path,  plan->vars.template,
		plan->vars.code,      plan->accel_why,	 plan->cpu_why,	     plan->topology_why,
		plan->qemu,	      plan->run_dir,	 plan->state_dir,    plan->log_dir,
		plan->memory_why,     plan->map,
		plan->display_why,    plan->isolation.hint, plan->isolation.cgroup,
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i]);
}

void plan_finish(struct plan *plan)
{
	struct strv *lists[] = { &plan->argv,	     &plan->argv_paths,	 &plan->environment, &plan->operators,
				 &plan->shared_files, &plan->clients, &plan->usb_devices, &plan->usb_why,
				 &plan->hook_before, &plan->hook_started, &plan->hook_stopped };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		strv_finish(lists[i]);
	finish_fds(plan);
	finish_pins(plan);
	finish_devices(plan);
	finish_helpers(plan);
	finish_inputs(plan);
	finish_texts(plan);
	change_list_finish(&plan->changes);
	diags_finish(&plan->warnings);
	*plan = (struct plan){ 0 };
}

void plan_free(struct plan *plan)
{
	if (plan)
		plan_finish(plan);
	free(plan);
}

struct cpuset plan_vcpu_cpus(const struct plan *plan)
{
	struct cpuset cpus = { 0 };

	for (size_t i = 0; i < plan->n_pins; i++) {
		if (plan->pins[i].target == PIN_VCPU)
			cpuset_or(&cpus, &plan->pins[i].cpus);
	}
	return cpus;
}
