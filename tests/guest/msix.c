// SPDX-License-Identifier: MIT
// A guest that is nothing but a driver's first step: it enables MSI-X on each PCI device that is an NVMe drive, says
// so on its serial port, and halts. For that the host makes the device's interrupts. The lab makes it, with
// -DAGAIN_AFTER=SECONDS as one that does it a second time, as if its driver were loaded anew:
//
//	gcc -m32 -O2 -ffreestanding -mgeneral-regs-only -fno-pie -no-pie -fno-stack-protector -nostdlib -static
//		-Wl,-Ttext=0x100000 -Wl,-N -Wl,--build-id=none -o msix.elf tests/guest/msix.c
//
// Sources: Multiboot 0.6.96; Motorola MC146818A (RAM map); PCI Local Bus Specification 3.0, 3.2.2.3.2 (configuration
// mechanism 1), 6.7 and 6.8.2 (capabilities, MSI-X).
#include "bare.h"

enum { SERIAL = 0x3f8, ADDRESS = 0xcf8, DATA = 0xcfc, CLOCK = 0x70 };

#ifndef AGAIN_AFTER
#define AGAIN_AFTER 0
#endif

enum { COMMAND = 0x04, CLASS = 0x08, CAPABILITIES = 0x34, HAS_CAPABILITIES = 1 << 20, MASTER_AND_MEMORY = 6 };
enum { NVME = 0x010802, MSIX = 0x11, MSIX_ENABLE = 1u << 31 };

static void print(const char *text)
{
	for (; *text; text++) {
		while (!(inb(SERIAL + 5) & 0x20))
			;
		outb(SERIAL, (u8)*text);
	}
}

static u32 config_read(u32 device, u32 at)
{
	outl(ADDRESS, 0x80000000u | device << 8 | (at & 0xfc));
	return inl(DATA);
}

static void config_write(u32 device, u32 at, u32 value)
{
	outl(ADDRESS, 0x80000000u | device << 8 | (at & 0xfc));
	outl(DATA, value);
}

static u8 second(void)
{
	outb(CLOCK, 0);
	return inb(CLOCK + 1);
}

static void wait_seconds(int n)
{
	for (u8 before = second(); n > 0;) {
		u8 now = second();

		n -= now != before;
		before = now;
	}
}

static int enable(u32 device)
{
	u32 command = config_read(device, COMMAND);

	if (!(command & HAS_CAPABILITIES))
		return 0;
	config_write(device, COMMAND, (command & 0xffff) | MASTER_AND_MEMORY);
	for (u32 at = config_read(device, CAPABILITIES) & 0xfc; at; at = config_read(device, at) >> 8 & 0xfc) {
		if ((config_read(device, at) & 0xff) != MSIX)
			continue;
		config_write(device, at, config_read(device, at) & ~MSIX_ENABLE);
		config_write(device, at, config_read(device, at) | MSIX_ENABLE);
		return 1;
	}
	return 0;
}

__attribute__((used)) static void start(void)
{
	u32 drive = 0;
	int found = 0;

	// every function of every bus that the firmware may have numbered: that takes its time
	for (u32 device = 0; device < 0x10000; device++) {
		if (config_read(device, 0) == 0xffffffffu || config_read(device, CLASS) >> 8 != NVME)
			continue;
		drive = device;
		found += enable(device);
	}
	print(found ? "msix: enabled\n" : "msix: no drive\n");
	wait_seconds(AGAIN_AFTER);
	if (AGAIN_AFTER && enable(drive))
		print("msix: enabled again\n");
}

__asm__(".globl _start\n"
	"_start:\n"
	"	movl $stack_end, %esp\n"
	"	call start\n"
	"1:	cli\n"
	"	hlt\n"
	"	jmp 1b\n"
	".bss\n"
	".skip 4096\n"
	"stack_end:\n"
	".text\n");
