// SPDX-License-Identifier: MIT
#include "tests/unit/argv_fixture.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void set_display(struct argv_fixture *fx, enum display_type type)
{
	fx->profile.display.type = type;
}

static void set_screen(struct argv_fixture *fx)
{
	strv_add(&fx->facts.environment, "DISPLAY=:0");
	strv_add(&fx->facts.environment, "XAUTHORITY=/home/u/.Xauthority");
}

static bool has_device(const struct argv_fixture *fx, const char *name)
{
	const char *value;

	for (int n = 0; (value = argv_fixture_value(fx, "-device", n)); n++) {
		if (str_starts(value, name))
			return true;
	}
	return false;
}

static const char *display(const struct argv_fixture *fx)
{
	return argv_fixture_value(fx, "-display", 0);
}

static void test_auto_without_a_screen(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_make(fx);
	assert_string_equal(display(fx), "none");
	assert_false(has_device(fx, "VGA"));
}

static void test_auto_with_a_screen(void **state)
{
	struct argv_fixture *fx = *state;

	set_screen(fx);
	argv_fixture_make(fx);
	assert_string_equal(display(fx), "gtk");
	assert_true(has_device(fx, "VGA"));
	assert_true(has_device(fx, "usb-tablet"));
	argv_fixture_add_caps(fx, "machine/q35 display/sdl");
	argv_fixture_make(fx);
	assert_string_equal(display(fx), "sdl");
	fx->options.headless = true;
	argv_fixture_make(fx);
	assert_string_equal(display(fx), "none");
}

static void test_auto_with_a_screen_that_qemu_cannot_use(void **state)
{
	struct argv_fixture *fx = *state;

	set_screen(fx);
	argv_fixture_add_caps(fx, "machine/q35");
	argv_fixture_make(fx);
	assert_string_equal(display(fx), "none");
	assert_int_equal(fx->diags.count, 0);
}

static void test_asked_for_but_not_in_this_qemu(void **state)
{
	struct argv_fixture *fx = *state;
	const struct diag *diag;

	set_screen(fx);
	set_display(fx, DISPLAY_GTK);
	argv_fixture_add_caps(fx, "machine/q35 display/sdl");
	argv_fixture_make(fx);
	diag = argv_fixture_diag(fx, "display-missing");
	assert_int_equal(diag->level, DIAG_HOST_ERROR);
	assert_non_null(strstr(diag->hint, "qemu-system-gui"));
}

static void test_window_without_a_screen(void **state)
{
	struct argv_fixture *fx = *state;

	set_display(fx, DISPLAY_SDL);
	argv_fixture_make(fx);
	assert_int_equal(fx->diags.count, 0); // a captured host has no environment
	fx->facts.live = true;
	argv_fixture_make(fx);
	assert_int_equal(argv_fixture_diag(fx, "no-screen")->level, DIAG_HOST_ERROR);
	fx->options.headless = true;
	argv_fixture_make(fx);
	assert_int_equal(fx->diags.count, 0);
}

static void test_video_by_guest(void **state)
{
	struct argv_fixture *fx = *state;

	set_display(fx, DISPLAY_VNC);
	fx->profile.vm.os = OS_LINUX;
	argv_fixture_make(fx);
	assert_true(has_device(fx, "virtio-vga"));
	argv_fixture_add_caps(fx, "machine/q35 flag/vnc");
	argv_fixture_make(fx);
	assert_true(has_device(fx, "VGA"));
	assert_int_equal(fx->diags.count, 0);
}

static void test_install_is_always_visible(void **state)
{
	struct argv_fixture *fx = *state;

	set_display(fx, DISPLAY_INSTALL);
	fx->profile.vm.os = OS_LINUX;
	argv_fixture_make(fx);
	assert_string_equal(argv_fixture_value(fx, "-vnc", 0),
			    "unix:/run/vfiorun/demo/qemu/vnc.sock");
	assert_true(has_device(fx, "VGA"));
	assert_true(has_device(fx, "usb-tablet"));
	set_screen(fx);
	argv_fixture_make(fx);
	assert_string_equal(display(fx), "gtk");
	assert_null(argv_fixture_value(fx, "-vnc", 0));
}

static void test_spice_socket_and_agent(void **state)
{
	struct argv_fixture *fx = *state;

	set_display(fx, DISPLAY_SPICE);
	mem_set(&fx->facts.run_dir, "/run/a,b");
	argv_fixture_make(fx);
	assert_string_equal(argv_fixture_value(fx, "-spice", 0),
			    "unix=on,addr=/run/a,,b/qemu/spice.sock,disable-ticketing=on");
	assert_true(has_device(fx, "virtserialport"));
	assert_string_equal(display(fx), "none");
	argv_fixture_add_caps(fx, "machine/q35");
	argv_fixture_make(fx);
	assert_non_null(strstr(argv_fixture_diag(fx, "display-missing")->hint,
			       "qemu-system-modules-spice"));
}

static const struct plan_fd *find_fd(const struct argv_fixture *fx, enum plan_fd_kind kind,
				     const char *path)
{
	for (size_t i = 0; i < fx->plan.n_fds; i++) {
		if (fx->plan.fds[i].kind == kind && str_eq(fx->plan.fds[i].path, path))
			return &fx->plan.fds[i];
	}
	return NULL;
}

static void test_monitor_inherits_its_socket(void **state)
{
	struct argv_fixture *fx = *state;
	const struct plan_fd *fd;
	AUTO_FREE char *executed = NULL;

	argv_fixture_make(fx);
	fd = find_fd(fx, PLAN_FD_LISTEN, "/run/vfiorun/demo/qmp.sock");
	assert_non_null(fd);
	executed = mem_printf("socket,id=qmp,fd=%d,server=on,wait=off", fd->fd);
	assert_true(argv_fixture_has(fx, "-chardev", executed));
	assert_true(strv_has(&fx->plan.argv_paths,
			     "socket,id=qmp,path=/run/vfiorun/demo/qmp.sock,server=on,wait=off"));
	assert_false(strv_has(&fx->plan.argv_paths, executed));
	assert_non_null(find_fd(fx, PLAN_FD_ALIVE, "/run/vfiorun/.alive-demo"));
}

static void test_pasted_paths_are_escaped(void **state)
{
	struct argv_fixture *fx = *state;

	mem_set(&fx->facts.run_dir, "/run/a,b");
	argv_fixture_make(fx);
	assert_true(strv_has(&fx->plan.argv_paths,
			     "socket,id=qmp,path=/run/a,,b/qmp.sock,server=on,wait=off"));
	assert_non_null(find_fd(fx, PLAN_FD_LISTEN, "/run/a,b/qmp.sock"));
}

static void test_who_has_a_console(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_make(fx);
	assert_true(fx->plan.console);
	assert_true(has_device(fx, "isa-serial,chardev=console"));
	fx->profile.vm.os = OS_WINDOWS;
	argv_fixture_make(fx);
	assert_false(fx->plan.console);
	assert_false(has_device(fx, "isa-serial"));
	assert_null(find_fd(fx, PLAN_FD_LISTEN, "/run/vfiorun/demo/console.sock"));
	fx->options.headless = true;
	argv_fixture_make(fx);
	assert_true(fx->plan.console);
}

static void test_panics_reach_us_by_what_there_is(void **state)
{
	struct argv_fixture *fx = *state;

	argv_fixture_add_caps(fx, "machine/q35 device/pvpanic");
	argv_fixture_make(fx);
	assert_true(has_device(fx, "pvpanic,"));
	assert_false(has_device(fx, "virtio-rng"));
	argv_fixture_add_caps(fx, "device/pvpanic-pci device/virtio-rng-pci");
	argv_fixture_make(fx);
	assert_true(has_device(fx, "pvpanic-pci,"));
	assert_true(has_device(fx, "virtio-rng-pci,"));
	fx->profile.vm.os = OS_WINDOWS;
	argv_fixture_make(fx);
	assert_false(has_device(fx, "pvpanic"));
}

static void test_raw_arguments_stand_last_and_verbatim(void **state)
{
	struct argv_fixture *fx = *state;
	AUTO_STRV struct strv more = { 0 };
	const struct strv *argv = &fx->plan.argv;

	strv_add(&fx->profile.qemu.args, "-device");
	strv_add(&fx->profile.qemu.args, "x,y=a b,,c");
	strv_add(&more, "-no-hpet");
	fx->options.qemu_args = &more;
	argv_fixture_make(fx);
	assert_string_equal(argv->items[argv->count - 3], "-device");
	assert_string_equal(argv->items[argv->count - 2], "x,y=a b,,c");
	assert_string_equal(argv->items[argv->count - 1], "-no-hpet");
	assert_null(argv_fixture_diag(fx, "qemu-arg"));
}

static void assert_raw(struct argv_fixture *fx, const char *option, const char *value, int level)
{
	const struct diag *diag;

	strv_finish(&fx->profile.qemu.args);
	strv_add(&fx->profile.qemu.args, option);
	if (value)
		strv_add(&fx->profile.qemu.args, value);
	argv_fixture_make(fx);
	diag = argv_fixture_diag(fx, "qemu-arg");
	assert_int_equal(diag ? (int)diag->level : -1, level);
}

static void test_raw_arguments_that_break_supervision(void **state)
{
	struct argv_fixture *fx = *state;

	assert_raw(fx, "-daemonize", NULL, DIAG_ERROR);
	assert_raw(fx, "--daemonize", NULL, DIAG_ERROR);
	assert_raw(fx, "-S", NULL, DIAG_WARNING);
	assert_raw(fx, "-runas", "nobody", DIAG_WARNING);
	assert_raw(fx, "-chroot", "/", DIAG_WARNING);
	assert_raw(fx, "-qmp", "stdio", DIAG_WARNING);
	assert_raw(fx, "-monitor", "mon:stdio", DIAG_WARNING);
	assert_raw(fx, "-qmp", "unix:/tmp/q,server=on,wait=off", -1);
	assert_raw(fx, "-serial", NULL, -1);
	assert_raw(fx, "daemonize", NULL, -1);
	assert_raw(fx, "-", NULL, -1);
	assert_raw(fx, "", NULL, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARGV_TEST(test_auto_without_a_screen),
		ARGV_TEST(test_auto_with_a_screen),
		ARGV_TEST(test_auto_with_a_screen_that_qemu_cannot_use),
		ARGV_TEST(test_asked_for_but_not_in_this_qemu),
		ARGV_TEST(test_window_without_a_screen),
		ARGV_TEST(test_video_by_guest),
		ARGV_TEST(test_install_is_always_visible),
		ARGV_TEST(test_spice_socket_and_agent),
		ARGV_TEST(test_monitor_inherits_its_socket),
		ARGV_TEST(test_pasted_paths_are_escaped),
		ARGV_TEST(test_who_has_a_console),
		ARGV_TEST(test_panics_reach_us_by_what_there_is),
		ARGV_TEST(test_raw_arguments_stand_last_and_verbatim),
		ARGV_TEST(test_raw_arguments_that_break_supervision),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
