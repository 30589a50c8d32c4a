// SPDX-License-Identifier: MIT
#include "tests/unit/argv_fixture.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "launcher/profile/reader.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static void free_nodes(struct argv_fixture *fx)
{
	for (size_t i = 0; i < fx->facts.memory.n_nodes; i++)
		free(fx->facts.memory.nodes[i].distances);
	free(fx->facts.memory.nodes);
	fx->facts.memory.nodes = NULL;
	fx->facts.memory.n_nodes = 0;
	free(fx->facts.cpus.cpus);
	fx->facts.cpus.cpus = NULL;
	fx->facts.cpus.count = 0;
}

// CPU i is on core i / 2.
static void set_host(struct argv_fixture *fx, int nodes, int cpus_of_node)
{
	free_nodes(fx);
	for (int node = 0; node < nodes; node++) {
		struct memory_node *fact =
			MEM_PUSH(fx->facts.memory.nodes, fx->facts.memory.n_nodes);

		*fact = (struct memory_node){ .node = node, .bytes = UINT64_C(1) << 30 };
		fact->n_distances = (size_t)nodes;
		fact->distances = mem_new((size_t)nodes, sizeof(int));
		for (int to = 0; to < nodes; to++)
			fact->distances[to] = to == node ? 10 : 20;
	}
	for (int id = 0; id < nodes * cpus_of_node; id++)
		*MEM_PUSH(fx->facts.cpus.cpus, fx->facts.cpus.count) = (struct cpu){
			.id = id, .online = true, .core = id / 2, .node = id / cpus_of_node
		};
	fx->facts.cpus.n_cores = (size_t)(nodes * cpus_of_node + 1) / 2;
	fx->facts.memory.total = fx->facts.memory.available = (uint64_t)nodes << 30;
}

void argv_fixture_set_nodes(struct argv_fixture *fx, int nodes)
{
	set_host(fx, nodes, 2);
}

void argv_fixture_place(struct argv_fixture *fx, int sockets, int cores, int threads,
			const int *pin)
{
	int n = sockets * cores * threads;

	free(fx->placement.vcpus);
	fx->placement = (struct placement){ .vcpus = mem_new((size_t)n, sizeof(struct place_vcpu)),
					    .n_vcpus = n,
					    .sockets = sockets,
					    .dies = 1,
					    .cores = cores,
					    .threads = threads };
	for (int i = 0; pin && i < n; i++) {
		const struct cpu *cpu = cpu_facts_find(&fx->facts.cpus, pin[i]);

		cpuset_add(&fx->placement.vcpus[i].cpus, pin[i]);
		cpuset_add(&fx->placement.nodes, cpu->node);
	}
}

void argv_fixture_init(struct argv_fixture *fx)
{
	*fx = (struct argv_fixture){ 0 };
	fx->profile.vm.name = mem_dup("demo");
	fx->profile.vm.memory = UINT64_C(64) << 20;
	fx->profile.vm.accel = ACCEL_TCG;
	fx->facts.run_dir = mem_dup("/run/vfiorun/demo");
	set_host(fx, 1, 4);
	argv_fixture_place(fx, 1, 2, 1, NULL);
	fx->build = (struct argv_build){ .profile = &fx->profile,
					 .facts = &fx->facts,
					 .placement = &fx->placement,
					 .options = &fx->options,
					 .plan = &fx->plan,
					 .diags = &fx->diags };
}

static void free_devices(struct argv_fixture *fx)
{
	struct profile *profile = &fx->profile;

	for (size_t i = 0; i < profile->n_usbs; i++)
		free(profile->usbs[i].title);
	free(profile->usbs);
	free(profile->lookingglass.file);
	free(profile->lookingglass.owner);
	while (profile->n_origins) {
		const struct profile_origin *origin = &profile->origins[profile->n_origins - 1];

		profile_drop_origin(profile, origin->section, origin->title, origin->key);
	}
	free(profile->origins);
	usb_facts_finish(&fx->facts.usb);
	input_facts_finish(&fx->facts.input);
	free(fx->facts.viewer.name);
	strv_finish(&fx->facts.others_memory);
	for (size_t i = 0; i < fx->facts.n_files; i++)
		free(fx->facts.files[i].path);
	free(fx->facts.files);
}

void argv_fixture_finish(struct argv_fixture *fx)
{
	free_devices(fx);
	plan_finish(&fx->plan);
	diags_finish(&fx->diags);
	free_nodes(fx);
	free(fx->placement.vcpus);
	free(fx->facts.memory.pools);
	free(fx->facts.run_dir);
	qemu_caps_finish(&fx->facts.qemu);
	strv_finish(&fx->facts.environment);
	free(fx->profile.vm.name);
	free(fx->profile.vm.uuid);
	strv_finish(&fx->profile.cpu.features);
	strv_finish(&fx->profile.cpu.hyperv.features);
	strv_finish(&fx->profile.qemu.args);
}

int argv_fixture_setup(void **state)
{
	struct argv_fixture *fx = mem_new(1, sizeof(*fx));

	argv_fixture_init(fx);
	*state = fx;
	return 0;
}

int argv_fixture_teardown(void **state)
{
	argv_fixture_finish(*state);
	free(*state);
	return 0;
}

void argv_fixture_add_caps(struct argv_fixture *fx, const char *words)
{
	AUTO_STRV struct strv list = { 0 };

	fx->facts.qemu.known = true;
	strv_split(&list, words, " \n");
	for (size_t i = 0; i < list.count; i++)
		qemu_caps_add(&fx->facts.qemu, "%s", list.items[i]);
	qemu_caps_sort(&fx->facts.qemu);
}

void argv_fixture_make(struct argv_fixture *fx)
{
	plan_finish(&fx->plan);
	diags_finish(&fx->diags);
	fx->plan.qemu = mem_dup(fx->facts.qemu.path ? fx->facts.qemu.path : "qemu-system-x86_64");
	argv_choose(&fx->build);
	argv_machine(&fx->build);
	argv_cpu(&fx->build);
	argv_memory(&fx->build);
	argv_display(&fx->build);
	argv_usb(&fx->build);
	argv_shared(&fx->build);
	argv_monitor(&fx->build);
	argv_raw(&fx->build);
}

const char *argv_fixture_value(const struct argv_fixture *fx, const char *option, int n)
{
	const struct strv *argv = &fx->plan.argv;

	for (size_t i = 0; i + 1 < argv->count; i++) {
		if (str_eq(argv->items[i], option) && n-- == 0)
			return argv->items[i + 1];
	}
	return NULL;
}

bool argv_fixture_has(const struct argv_fixture *fx, const char *option, const char *value)
{
	const char *found;

	for (int n = 0; (found = argv_fixture_value(fx, option, n)); n++) {
		if (str_eq(found, value))
			return true;
	}
	return false;
}

static const struct diag *find_diag(const struct diags *diags, const char *code)
{
	for (size_t i = 0; i < diags->count; i++) {
		if (str_eq(diags->items[i].code, code))
			return &diags->items[i];
	}
	return NULL;
}

const struct diag *argv_fixture_diag(const struct argv_fixture *fx, const char *code)
{
	const struct diag *diag = find_diag(&fx->diags, code);

	return diag ? diag : find_diag(&fx->plan.warnings, code);
}

void argv_fixture_load_caps(struct argv_fixture *fx, const char *path)
{
	AUTO_STR struct str text = { 0 };
	struct err err = ERR_NONE;

	qemu_caps_finish(&fx->facts.qemu);
	if (io_read_file(AT_FDCWD, path, &text, 16 << 20, &err) ||
	    qemu_caps_parse(str_text(&text), &fx->facts.qemu, &err)) {
		fprintf(stderr, "%s: %s\n", path, err.text);
		abort();
	}
}

bool argv_fixture_can_start_qemu(const struct argv_fixture *fx)
{
	return access(fx->plan.qemu, X_OK) == 0;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1))
		_exit(120);
	return fd;
}

static int copy_file(const char *path)
{
	int from = open(path, O_RDONLY | O_CLOEXEC), fd = memfd_create("copy", MFD_CLOEXEC);
	AUTO_STR struct str data = { 0 };

	if (io_read_all(from, &data, 64 << 20) || io_write_all(fd, data.text, data.len))
		_exit(119);
	return fd;
}

static int open_plan_fd(const struct plan_fd *fd)
{
	int direct = fd->direct ? O_DIRECT : 0;

	switch (fd->kind) {
	case PLAN_FD_LISTEN:
		return listen_at(fd->path);
	case PLAN_FD_FILE:
		return open(fd->path, (fd->write ? O_RDWR : O_RDONLY) | direct | O_CLOEXEC);
	case PLAN_FD_COPY:
		return copy_file(fd->path);
	default:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	}
}

// In the child. The plan's numbers are small; what is opened for them first goes well above.
__attribute__((noreturn)) static void become_qemu(const struct argv_fixture *fx, bool pasted,
						  int said)
{
	const struct plan *plan = &fx->plan;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < plan->n_fds && !pasted; i++) {
		int fd = fcntl(open_plan_fd(&plan->fds[i]), F_DUPFD_CLOEXEC, 200);

		if (fd < 0 || dup2(fd, plan->fds[i].fd) < 0)
			_exit(121);
	}
	dup2(said, 1);
	dup2(said, 2);
	if (fx->uid && (setgroups(0, NULL) || setresgid(fx->uid, fx->uid, fx->uid) ||
			setresuid(fx->uid, fx->uid, fx->uid)))
		_exit(123);
	// The kernel forgets it when the user changes.
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execv(plan->qemu, pasted ? plan->argv_paths.items : plan->argv.items);
	_exit(122);
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

// The greeting comes before QEMU has made the machine; only an answer says that it stands.
static bool talk(int fd, const char *commands)
{
	AUTO_FREE char *words = mem_printf("{\"execute\":\"qmp_capabilities\"}%s{\"execute\":\"quit\"}",
					   commands ? commands : "");
	AUTO_STR struct str heard = { 0 };
	char buf[4096];
	ssize_t n;

	if (write(fd, words, strlen(words)) != (ssize_t)strlen(words))
		return false;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		str_addn(&heard, buf, (size_t)n);
	return strstr(str_text(&heard), "{\"return\": {}}") && !strstr(str_text(&heard), "\"error\"");
}

static bool is_over(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == pid;
}

char *argv_fixture_start_qemu(const struct argv_fixture *fx, bool pasted)
{
	AUTO_FREE char *socket_path = mem_printf("%s/qmp.sock", fx->facts.run_dir);
	AUTO_CLOSE int log = memfd_create("said", MFD_CLOEXEC), qmp = -1;
	long long deadline = io_now_ms() + 60000;
	struct str said = { 0 };
	bool answered = false;
	pid_t pid;

	unlink(socket_path);
	pid = fork();
	if (pid == 0)
		become_qemu(fx, pasted, log);
	while ((qmp = connect_to(socket_path)) < 0 && !is_over(pid) && io_now_ms() < deadline)
		poll(NULL, 0, 5);
	if (qmp >= 0)
		answered = talk(qmp, fx->commands);
	if (!answered)
		kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	lseek(log, 0, SEEK_SET);
	if (io_read_all(log, &said, 1 << 20))
		str_add(&said, "(unreadable)");
	if (!answered)
		return str_take(&said);
	str_finish(&said);
	return NULL;
}
