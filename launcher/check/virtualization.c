// SPDX-License-Identifier: MIT
// KVM, the QEMU binary, and firmware for guests.
#include "launcher/check/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

static const char slow[] = "guests are emulated instead: many times slower, and timing means nothing";

static void add_unsupported(struct checking *c)
{
	struct finding *finding =
		checking_add(c, SEVERITY_ERROR, "kvm-unsupported", "KVM", "the CPU shows neither vmx nor svm");

	finding_because(finding, "%s", slow);
	finding_mend(finding,
		     c->facts->cpus.hypervisor
			     ? "this host is a virtual machine itself: whoever runs it must give it nested "
			       "virtualization"
			     : "enable virtualization (VT-x, SVM mode) in the firmware setup");
}

static bool is_able(const struct checking *c)
{
	return c->facts->cpus.vmx || c->facts->cpus.svm;
}

static void add_not_loaded(struct checking *c)
{
	const struct facts *facts = c->facts;
	struct finding *finding =
		checking_add(c, SEVERITY_ERROR, "kvm-not-loaded", "KVM", "%s",
			     facts->system.kvm_present ? "the module kvm is loaded, but there is no /dev/kvm"
			     : facts->cpus.svm	       ? "the CPU has SVM, but the module kvm_amd is not loaded"
						       : "the CPU has VMX, but the module kvm_intel is not loaded");

	finding_because(finding, "%s", slow);
	finding_mend(finding,
		     "modprobe %s; where that fails, `dmesg | grep -i kvm` says why, most often that it is "
		     "disabled in the firmware setup",
		     c->facts->cpus.svm ? "kvm_amd" : "kvm_intel");
}

static void add_closed(struct checking *c, int error)
{
	struct finding *finding = checking_add(c, SEVERITY_ERROR, "kvm-rights", "KVM", "%s can't open /dev/kvm: %s",
					       checking_user(c), strerror(error));

	finding_because(finding, "%s", slow);
	if (c->facts->root)
		finding_mend(finding, "ask whoever set up this container or sandbox for /dev/kvm");
	else
		finding_mend(
			finding,
			"usermod -aG kvm %s, as root, and log in again; or for now: setfacl -m u:%s:rw /dev/kvm",
			checking_user(c), checking_user(c));
}

// What QEMU itself made of KVM, by the user that it would run as.
static void judge_by_qemu(struct checking *c)
{
	const char *model = c->profile && c->profile->cpu.model ? c->profile->cpu.model : "host";
	AUTO_FREE char *refused = mem_printf("no-accel/kvm/%s/", model);
	const struct qemu_caps *caps = &c->facts->qemu;
	const char *reason = caps->known ? qemu_caps_after(caps, refused) : NULL;

	if (reason) {
		struct finding *finding = checking_add(c, SEVERITY_ERROR, "kvm-unusable", "KVM",
						       "QEMU with -cpu %s: %s", model, reason);

		finding_because(finding, "%s", slow);
		finding_mend(finding,
			     "let the user that QEMU runs as open /dev/kvm: usermod -aG kvm USER; where another "
			     "hypervisor holds the CPU, unload its module");
	} else if (caps->known && qemu_caps_has(caps, "accel/kvm/%s", model)) {
		checking_add(c, SEVERITY_OK, "kvm-unusable", "KVM", "QEMU answers under it with -cpu %s", model);
	} else {
		checking_add(c, SEVERITY_OK, "kvm-unusable", "KVM", "the module is there%s",
			     c->facts->openings.known ? ", and /dev/kvm can be opened" : "");
	}
}

void check_kvm(struct checking *c)
{
	const struct facts *facts = c->facts;
	const struct openings *openings = &facts->openings;
	// the node is gone, or nothing says that there ever was one
	bool missing = openings->known ? openings->kvm == ENOENT : !facts->system.kvm_present;

	if (missing && !facts->cpus.flags_known)
		checking_add(c, SEVERITY_UNKNOWN, "kvm-unsupported", "KVM", "what the CPU can do can't be seen");
	else if (missing && !is_able(c))
		add_unsupported(c);
	// a captured machine may lack what was of no interest to who captured it
	else if (missing && !facts->live)
		checking_add(c, SEVERITY_UNKNOWN, "kvm-not-loaded", "KVM",
			     "the CPU has it; whether the module was loaded is not in the capture");
	else if (missing)
		add_not_loaded(c);
	else if (openings->known && openings->kvm)
		add_closed(c, openings->kvm);
	else
		judge_by_qemu(c);
}

void check_qemu(struct checking *c)
{
	const struct facts *facts = c->facts;
	const struct qemu_caps *caps = &facts->qemu;
	struct finding *finding;

	if (facts->qemu_error) {
		finding = checking_add(c, SEVERITY_ERROR, "no-qemu", "QEMU", "%s", facts->qemu_error);
		finding_because(finding, "it is what runs a guest");
		finding_mend(finding, "%s", facts->qemu_hint ? facts->qemu_hint : "install QEMU for x86_64");
	} else if (caps->known) {
		checking_add(c, SEVERITY_OK, "no-qemu", "QEMU", "%s, %s",
			     caps->version ? caps->version : "of unknown version",
			     caps->path ? caps->path : "its path unknown");
	} else {
		checking_add(c, SEVERITY_UNKNOWN, "no-qemu", "QEMU", "none could be asked here");
	}
}

void check_qemu_vfio(struct checking *c)
{
	const struct qemu_caps *caps = &c->facts->qemu;
	struct finding *finding;

	if (!caps->known)
		return;
	if (qemu_caps_has(caps, "device/vfio-pci")) {
		checking_add(c, SEVERITY_OK, "no-vfio", "QEMU", "it has the device vfio-pci");
		return;
	}
	finding = checking_add(c, SEVERITY_ERROR, "no-vfio", "QEMU", "it was built without the device vfio-pci");
	finding_because(finding, "it can't be given a device of the host");
	finding_mend(finding, "install the distribution's whole QEMU for x86_64, or name another one in [vm] qemu");
}

static void add_firmware(struct checking *c)
{
	const struct firmware_list *list = &c->facts->firmwares;
	size_t secure = 0;

	for (size_t i = 0; i < list->count; i++)
		secure += list->items[i].secure_boot && list->items[i].requires_smm;
	if (list->items[0].supposed)
		checking_add(c, SEVERITY_UNKNOWN, "no-firmware", "UEFI firmware",
			     "what is installed is not in the capture");
	else
		checking_add(c, SEVERITY_OK, "no-firmware", "UEFI firmware", "%zu image%s, %zu with secure boot",
			     list->count, list->count == 1 ? "" : "s", secure);
}

void check_firmware(struct checking *c)
{
	const char *install = system_install_command(&c->facts->system);
	struct finding *finding;

	if (c->facts->firmwares.count) {
		add_firmware(c);
		return;
	}
	finding = checking_add(c, SEVERITY_WARNING, "no-firmware", "UEFI firmware", "no OVMF was found");
	finding_because(finding, "Windows 11 and most cards' own firmware want UEFI; without it there is type = "
				 "seabios alone");
	finding_mend(finding, "%s %s", install ? install : "install the package",
		     install && str_starts(install, "apt") ? "ovmf" : "edk2-ovmf");
}
