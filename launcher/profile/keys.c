// SPDX-License-Identifier: MIT
#include "launcher/profile/keys.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/profile/profile.h"
#include "launcher/profile/types.h"

#include <limits.h>

#define WORDS(name, ...) static const char *const name##_words[] = { __VA_ARGS__, NULL }

WORDS(accel, "auto", "kvm", "tcg");
WORDS(os, "other", "windows", "linux");
WORDS(firmware, "ovmf", "ovmf-secureboot", "seabios", "none");
WORDS(order, "disk", "cdrom", "net");
WORDS(irqchip, "auto", "on", "split", "off");
WORDS(isolate, "auto", "partition", "none");
WORDS(core_scheduling, "none", "vcpus");
WORDS(irq_affinity, "auto", "none");
WORDS(hugepages, "auto", "none", "2M", "1G");
WORDS(format, "auto", "raw", "qcow2");
WORDS(bus, "virtio", "scsi", "nvme", "sata");
WORDS(cache, "auto", "none", "writeback", "writethrough", "directsync", "unsafe");
WORDS(aio, "auto", "threads", "native", "io_uring");
WORDS(net, "user", "bridge", "tap", "passt", "none");
WORDS(net_model, "virtio", "e1000e", "e1000", "rtl8139");
WORDS(pci_group, "none", "auto");
WORDS(display, "auto", "none", "gtk", "sdl", "spice", "vnc", "install");
WORDS(start, "host", "guest");
WORDS(transport, "input-linux", "virtio-host");
WORDS(sink, "ps2", "virtio", "usb");

// What each parser writes. A row whose field is of another type does not compile.
#define FIELD_text	 char *
#define FIELD_text_list	 struct strv
#define FIELD_path	 char *
#define FIELD_word	 unsigned
#define FIELD_tri	 enum tri
#define FIELD_flag	 bool
#define FIELD_int	 int
#define FIELD_long	 int64_t
#define FIELD_memory	 uint64_t
#define FIELD_frequency	 int64_t
#define FIELD_name	 char *
#define FIELD_uuid	 char *
#define FIELD_user	 char *
#define FIELD_user_list	 struct strv
#define FIELD_word_text	 char *
#define FIELD_word_list	 struct strv
#define FIELD_machine	 char *
#define FIELD_model	 char *
#define FIELD_sysfs_word char *
#define FIELD_command	 struct strv
#define FIELD_pin	 struct pin_request
#define FIELD_cpus	 struct cpus_request
#define FIELD_nodes	 struct nodes_request
#define FIELD_scheduler	 struct sched_request
#define FIELD_hyperv	 struct hyperv_request
#define FIELD_vendor_id	 char *
#define FIELD_features	 struct strv
#define FIELD_serial	 char *
#define FIELD_mac	 char *
#define FIELD_ifname	 char *
#define FIELD_forwards	 struct strv
#define FIELD_unit	 char *
#define FIELD_units	 struct strv
#define FIELD_bar_sizes	 struct strv
#define FIELD_modules	 struct modules_request
#define FIELD_selectors	 struct strv
#define FIELD_hotkeys	 struct strv
#define FIELD_chord	 char *
#define FIELD_keynames	 struct strv

#define ROW(section_, key_, base, member, type, help_, ...)                                        \
	{                                                                                          \
		.section = section_, .key = key_, .parse = value_parse_##type, .help = help_,      \
		.offset = offsetof(base, member) +                                                 \
			  0 * sizeof((FIELD_##type *)0 == &((base *)0)->member),                   \
		__VA_ARGS__                                                                        \
	}
#define VM(key, type, ...)     ROW("vm", #key, struct profile, vm.key, type, __VA_ARGS__)
#define FW(key, type, ...)     ROW("firmware", #key, struct profile, firmware.key, type, __VA_ARGS__)
#define BOOT(key, type, ...)   ROW("boot", #key, struct profile, boot.key, type, __VA_ARGS__)
#define CPU(key, type, ...)    ROW("cpu", #key, struct profile, cpu.key, type, __VA_ARGS__)
#define MEMORY(key, type, ...) ROW("memory", #key, struct profile, memory.key, type, __VA_ARGS__)
#define HOST(key, type, ...)   ROW("host", #key, struct profile, host.key, type, __VA_ARGS__)
#define DISK(key, type, ...)   ROW("disk", #key, struct profile_disk, key, type, __VA_ARGS__)
#define CDROM(key, type, ...)  ROW("cdrom", #key, struct profile_cdrom, key, type, __VA_ARGS__)
#define NET(key, type, ...)    ROW("net", #key, struct profile_net, key, type, __VA_ARGS__)
#define PCI(key, type, ...)    ROW("pci", #key, struct profile_pci, key, type, __VA_ARGS__)
#define GLASS(key, type, ...)  ROW("lookingglass", #key, struct profile, lookingglass.key, type, __VA_ARGS__)
#define INPUT(key, type, ...)  ROW("input", #key, struct profile, input.key, type, __VA_ARGS__)
#define HOOK(key, type, ...)   ROW("hooks", #key, struct profile, hooks.key, type, __VA_ARGS__)

static const struct profile_key keys[] = {
	VM(name, name, "name of the guest; default: the file's name without .conf"),
	VM(memory, memory, "RAM of the guest, whole MiB; required", .min = 1 << 20,
	   .max = 1L << 52),
	VM(machine, machine, "q35, pc or a versioned name of these; default: q35"),
	VM(accel, word, "kvm, or tcg where that cannot be had; default: auto",
	   .words = accel_words),
	VM(os, word, "what runs in the guest; default: other", .words = os_words),
	VM(qemu, path, "the QEMU binary; default: qemu-system-x86_64 in $PATH"),
	VM(uuid, uuid, "the machine's UUID; default: follows from the name"),
	VM(user, user, "who QEMU runs as when root starts it"),
	VM(operators, user_list, "users who may look, switch and pause; repeatable"),
	VM(shutdown_timeout, int, "seconds the guest has to power down; default: 60", .min = 1,
	   .max = 3600, .fallback = 60),
	{ .section = "vm",
	  .key = "include",
	  .help = "another file, read at this place; repeatable" },

	FW(type, word, "what starts the guest; default: ovmf where there is one; seabios under a kernel of [boot]",
	   .words = firmware_words),
	FW(code, path, "the UEFI code image; default: by QEMU's firmware descriptors"),
	FW(vars, path, "this guest's UEFI variables; default: in the guest's kept state"),
	FW(template, path, "what new UEFI variables are copied from; default: the code's own"),

	BOOT(kernel, path, "a Linux kernel to start directly"),
	BOOT(initrd, path, "its initramfs"),
	BOOT(cmdline, text, "its command line"),
	BOOT(order, word_list, "kinds of devices to boot from, first one first",
	     .words = order_words),

	CPU(vcpus, int, "number of virtual CPUs", .min = 1, .max = PROFILE_VCPUS_MAX),
	CPU(sockets, int, "sockets of the guest's topology; default: auto", .min = 1,
	    .max = PROFILE_VCPUS_MAX),
	CPU(cores, int, "cores a socket; default: auto", .min = 1, .max = PROFILE_VCPUS_MAX),
	CPU(threads, int, "threads a core; default: auto", .min = 1, .max = PROFILE_VCPUS_MAX),
	CPU(model, model, "CPU model; default: auto, host under KVM"),
	CPU(features, features, "+name, -name or name=value; repeatable"),
	CPU(pin, pin, "auto, none, or host CPUs in vCPU order; default: auto",
	    .max = PROFILE_VCPUS_MAX),
	CPU(emulator, cpus, "host CPUs of QEMU's other threads; default: auto"),
	CPU(iothreads, int, "number of I/O threads; default: auto", .min = 0, .max = 64,
	    .fallback = -1),
	CPU(iothread_pin, cpus, "host CPUs of the I/O threads; default: auto"),
	CPU(iothread_poll, int, "ns that I/O threads poll before they sleep; default: QEMU's own",
	    .min = 0, .max = 100000000, .fallback = -1),
	CPU(isolate, word, "keep the host's other tasks off the vCPUs' CPUs; default: auto",
	    .words = isolate_words),
	CPU(core_scheduling, word, "share SMT siblings with nobody else; default: none",
	    .words = core_scheduling_words),
	CPU(scheduler, scheduler, "scheduling class of vCPU threads; default: auto"),
	CPU(hyperv, hyperv, "Hyper-V enlightenments: auto, on, off or a list; default: auto"),
	CPU(vendor_id, vendor_id, "the hypervisor's name as Hyper-V shows it, 1 to 12 characters",
	    .max = 12),
	CPU(hide_kvm, tri, "hide KVM's signature from the guest; default: auto"),
	CPU(irqchip, word, "where the interrupt controller lives; default: auto",
	    .words = irqchip_words),

	MEMORY(hugepages, word, "size of huge pages behind the RAM; default: auto",
	       .words = hugepages_words),
	MEMORY(prealloc, tri, "touch all RAM before the guest starts; default: auto"),
	MEMORY(nodes, nodes, "host NUMA nodes the RAM comes from; default: auto"),
	MEMORY(lock, tri, "keep the RAM from being swapped out; default: auto"),
	MEMORY(share, tri, "RAM that other processes can map; default: auto"),
	MEMORY(leave, memory, "what making huge pages must leave to the host; default: auto",
	       .min = 1 << 20, .max = 1L << 52),

	HOST(irq_affinity, word, "interrupts stay off isolated CPUs; default: auto",
	     .words = irq_affinity_words),
	HOST(governor, sysfs_word, "cpufreq governor of the guest's CPUs; default: left alone"),
	HOST(epp, sysfs_word, "their energy performance preference; default: left alone"),
	HOST(boost, tri, "turbo frequencies; default: auto, left alone"),
	HOST(ignore_msrs, tri, "KVM ignores unknown MSRs; default: auto, left alone"),
	HOST(report_ignored_msrs, tri, "KVM logs the MSRs that it ignores; default: auto, left alone"),
	HOST(cpu_pm, flag, "the guest itself puts its CPUs to sleep; default: no"),
	HOST(inhibit_sleep, tri, "the host stays awake while the guest runs; default: auto"),
	HOST(compact_memory, flag, "make room for huge pages by moving memory about; default: no"),
	HOST(drop_caches, flag, "make room for them by forgetting cached files; default: no"),
	HOST(min_freq, frequency, "lowest frequency of the guest's CPUs; default: left alone",
	     .min = 100000, .max = 20000000, .fallback = -1),
	HOST(latency, int, "longest wake-up from idle allowed, in µs; default: left alone",
	     .min = 0, .max = 1000000, .fallback = -1),
	HOST(halt_poll_ns, long, "how long KVM polls a halted vCPU, in ns; default: left alone",
	     .min = 0, .max = 1000000000, .fallback = -1),
	HOST(display_manager, unit, "unit to stop for a GPU that the desktop is on; default: none"),
	HOST(stop, units, "further systemd units to stop meanwhile, in order; repeatable"),
	HOST(unbind_console, tri, "take the text consoles off a passed GPU; default: auto"),
	HOST(unload, modules, "kernel modules to unload for a passed GPU, in order; default: auto"),

	DISK(file, path, "image or block device; required"),
	DISK(format, word, "of the image; default: auto", .words = format_words),
	DISK(bus, word, "what the guest sees it on; default: virtio", .words = bus_words),
	DISK(cache, word, "default: auto, none for block devices", .words = cache_words),
	DISK(aio, word, "how QEMU does I/O; default: auto", .words = aio_words),
	DISK(discard, tri, "pass the guest's TRIM on; default: auto"),
	DISK(readonly, tri, "the guest cannot write; default: auto, no"),
	DISK(iothread, tri, "an I/O thread of its own; default: auto"),
	DISK(serial, serial, "serial number the guest sees; at most 20 bytes, 36 on scsi"),
	DISK(boot_index, int, "place in the boot order, from 1", .min = 1, .max = 1000),
	DISK(force, flag, "use it even though the host does; default: no"),

	CDROM(file, path, "ISO image; default: an empty drive"),
	CDROM(boot_index, int, "place in the boot order, from 1", .min = 1, .max = 1000),

	NET(type, word, "what it is connected to; default: user", .words = net_words),
	NET(bridge, ifname, "the host's bridge, with type = bridge"),
	NET(ifname, ifname, "name of the tap device; default: the kernel's choice"),
	NET(mac, mac, "default: follows from guest and title"),
	NET(model, word_text, "the card the guest sees; default: virtio", .words = net_model_words),
	NET(queues, int, "queue pairs of a virtio card on a tap; default: auto", .min = 1,
	    .max = 256),
	NET(forward, forwards,
	    "tcp:[ADDRESS:]HOSTPORT:GUESTPORT or udp:…, with type = user; repeatable"),

	PCI(group, word, "what else its IOMMU group holds: none, or auto, take it; default: none",
	    .words = pci_group_words),
	PCI(force, flag, "pass it even though the host uses it; default: no"),
	PCI(rebind, flag, "give it back to its driver afterwards; default: yes", .fallback = 1),
	PCI(romfile, path, "a video BIOS in place of the card's own"),
	PCI(rombar, tri, "show the guest the card's ROM; default: auto"),
	PCI(multifunction, tri, "functions of one slot stay together; default: auto"),
	PCI(x_vga, tri, "legacy VGA ranges, for a guest without UEFI; default: auto, no"),
	PCI(iommufd, tri, "reach it by /dev/iommu; default: auto, no"),
	PCI(bar_size, bar_sizes, "BAR:SIZE, such as 1:16G, of resizable BARs while the guest has it; repeatable"),
	PCI(optional, flag, "start without it where it is not there; default: no"),

	ROW("usb", "hotplug", struct profile_usb, hotplug, flag,
	    "pass it whenever it is plugged in; default: no"),
	ROW("usb", "force", struct profile_usb, force, flag,
	    "pass it even though the host uses it; default: no"),

	ROW("mdev", "optional", struct profile_mdev, optional, flag,
	    "start without it where it is not there; default: no"),

	ROW("display", "type", struct profile, display.type, word,
	    "the guest's screen; default: auto", .words = display_words),

	GLASS(width, int, "pixels of the guest's screen; default: 1920", .min = 320, .max = 16384,
	      .fallback = 1920),
	GLASS(height, int, "lines of it; default: 1080", .min = 200, .max = 16384, .fallback = 1080),
	GLASS(hdr, flag, "eight bytes a pixel; default: no"),
	GLASS(owner, user, "who may look at it; default: who started the guest"),
	GLASS(file, path, "the shared memory; default: /dev/shm/looking-glass"),
	GLASS(kvmfr, tri, "use /dev/kvmfr0 instead; default: auto, where it is there"),

	ROW("scream", "size", struct profile, scream.size, memory, "of the shared memory; default: 2M",
	    .min = 1 << 20, .max = 1 << 30),
	ROW("scream", "file", struct profile, scream.file, path,
	    "the shared memory; default: /dev/shm/scream-ivshmem"),
	INPUT(keyboard, selectors, "auto, none, or a device a line; repeatable; default: auto"),
	INPUT(mouse, selectors, "auto, none, or a device a line; repeatable; default: auto"),
	INPUT(device, selectors, "another device, one a line; repeatable"),
	INPUT(hotkey, hotkeys, "keys, and what they do; repeatable; default: leftctrl+rightctrl toggle"),
	INPUT(panic, chord, "keys that give everything back; default: leftctrl+leftalt+leftshift+esc"),
	INPUT(start, word, "who has the input at first; default: host", .words = start_words),
	INPUT(transport, word, "how QEMU gets it; default: input-linux", .words = transport_words),
	INPUT(sink, word, "what the guest sees of input-linux; default: ps2", .words = sink_words),
	INPUT(keep_held, keynames, "keys that stay down over a switch; repeatable"),
	INPUT(on_switch_host, command, "command to run when the host gets the input"),
	INPUT(on_switch_guest, command, "command to run when the guest gets the input"),

	HOOK(before, command, "command to run before the host is changed"),
	HOOK(started, command, "command to run once the guest runs"),
	HOOK(stopped, command, "command to run once the host is as it was"),
	HOOK(timeout, int, "seconds each hook may take; default: 30", .min = 1, .max = 3600,
	     .fallback = 30),

	ROW("qemu", "arg", struct profile, qemu.args, text_list,
	    "one raw argument for QEMU; repeatable"),
};

#define DEVICES(name, array, count)                                                                \
	static void *find_##name(struct profile *profile, const char *title)                       \
	{                                                                                          \
		for (size_t i = 0; i < profile->count; i++) {                                      \
			if (str_eq(profile->array[i].title, title))                                \
				return &profile->array[i];                                         \
		}                                                                                  \
		return NULL;                                                                       \
	}                                                                                          \
	static void *add_##name(struct profile *profile, const char *title)                        \
	{                                                                                          \
		struct profile_##name *added = MEM_PUSH(profile->array, profile->count);           \
                                                                                                   \
		added->title = mem_dup(title);                                                     \
		return added;                                                                      \
	}

DEVICES(disk, disks, n_disks)
DEVICES(cdrom, cdroms, n_cdroms)
DEVICES(net, nets, n_nets)
DEVICES(pci, pcis, n_pcis)
DEVICES(usb, usbs, n_usbs)
DEVICES(mdev, mdevs, n_mdevs)

static const struct profile_section sections[] = {
	{ "vm", NULL, NULL, "the guest as a whole" },
	{ "firmware", NULL, NULL, "UEFI or BIOS" },
	{ "boot", NULL, NULL, "what the guest starts" },
	{ "cpu", NULL, NULL, "virtual CPUs and where they run" },
	{ "memory", NULL, NULL, "what lies behind the guest's RAM" },
	{ "host", NULL, NULL, "settings of the host while the guest runs" },
	{ "disk", find_disk, add_disk, "one each disk" },
	{ "cdrom", find_cdrom, add_cdrom, "one each CD drive" },
	{ "net", find_net, add_net, "one each network card" },
	{ "pci", find_pci, add_pci, "one each PCI device of the host" },
	{ "usb", find_usb, add_usb, "one each USB device of the host" },
	{ "mdev", find_mdev, add_mdev, "one each mediated device" },
	{ "display", NULL, NULL, "the guest's screen" },
	{ "lookingglass", NULL, NULL, "a passed GPU's screen in a window of the host" },
	{ "scream", NULL, NULL, "the guest's sound through shared memory" },
	{ "input", NULL, NULL, "keyboard and mouse that host and guest share" },
	{ "hooks", NULL, NULL, "commands to run along the way" },
	{ "qemu", NULL, NULL, "raw arguments" },
};

static const struct profile_titles titles[] = {
	{ "pci", title_is_pci,
	  "an address as `lspci -D` prints it (0000:06:00.0), without its domain (06:00.0), or the ids "
	  "that `lspci -n` prints (10de:13c2)",
	  "0000:06:00.0" },
	{ "usb", title_is_usb,
	  "the ids that `lsusb` prints (046d:c52b), or bus and ports of a socket (1-2.3), as `vfiorun host` shows",
	  "046d:c52b" },
	{ "mdev", title_is_uuid, "the UUID that the device was created with",
	  "c9f5b2ad-3d1e-4a1e-9d2f-6f6d1a1f3c55" },
};

const struct profile_key *profile_keys(size_t *count)
{
	*count = ARRAY_SIZE(keys);
	return keys;
}

const struct profile_section *profile_sections(size_t *count)
{
	*count = ARRAY_SIZE(sections);
	return sections;
}

const struct profile_section *profile_section_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		if (str_eq(sections[i].name, name))
			return &sections[i];
	}
	return NULL;
}

const struct profile_key *profile_key_find(const char *section, const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (str_eq(keys[i].section, section) && str_eq(keys[i].key, key))
			return &keys[i];
	}
	return NULL;
}

const struct profile_titles *profile_titles_find(const char *section)
{
	for (size_t i = 0; i < ARRAY_SIZE(titles); i++) {
		if (str_eq(titles[i].section, section))
			return &titles[i];
	}
	return NULL;
}
