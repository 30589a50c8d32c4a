// SPDX-License-Identifier: MIT
// A guest that is nothing but a busy vCPU with a timer: it needs no operating system, so it boots at once and no
// scheduler of its own blurs what the host's does. scripts/bench-latency makes it:
//
//	gcc -m32 -O2 -ffreestanding -mgeneral-regs-only -fno-pie -no-pie -fno-stack-protector -nostdlib -static
//		-Wl,-Ttext=0x100000 -Wl,-N -Wl,--build-id=none -o lateness.elf tests/guest/lateness.c
//
// Between interrupts it spins. Each interrupt notes how much later than asked for it came, and asks for the next
// one in 1 ms. Once a second it prints on its serial port what came since, nothing lost in between:
//
//	late SECOND ticks COUNT max NS BUCKET:COUNT BUCKET:COUNT ...
//
// A bucket below 8 is that many nanoseconds, any other one begins at (8 + BUCKET % 8) << (BUCKET / 8 - 1).
//
// Sources: Multiboot 0.6.96; Intel 8254 (mode 0) and 8259A data sheets; ACPI 6.4, 4.8.3.3 (the PM timer, which
// SeaBIOS puts at port 0x608 on q35 and pc).
#include "bare.h"

enum { CODE = 0x08, DATA = 0x10, TIMER_VECTOR = 0x20, SPURIOUS_VECTOR = 0x27, BUCKETS = 320 };
enum { PIC1 = 0x20, PIC2 = 0xa0, PIT = 0x40, SERIAL = 0x3f8, PM_TIMER = 0x608 };
// One millisecond of the 8254's 1193182 Hz, and 100 ms of the PM timer's 3579545 Hz.
enum { PIT_COUNTS = 1193, PM_COUNTS = 357954, PM_MASK = 0xffffff };

static inline u64 rdtsc(void)
{
	u64 value;

	__asm__ volatile("rdtsc" : "=A"(value));
	return value;
}

// Nothing here divides 64 bits by anything that could make the quotient longer than 32.
static inline u32 divide(u64 dividend, u32 divisor)
{
	u32 quotient, rest;

	__asm__("divl %4" : "=a"(quotient), "=d"(rest) : "a"((u32)dividend), "d"((u32)(dividend >> 32)), "r"(divisor));
	return quotient;
}

struct counts {
	u32 ticks;
	u64 max_ns;
	u32 buckets[BUCKETS];
};

static struct counts counts[2];
static volatile u32 active; // where the handler counts
static volatile u32 second_over;
static u32 tsc_khz, ns_per_tick_20; // the latter shifted left by 20
static u64 deadline, second_end;

static u32 bucket_of(u64 ns)
{
	u32 exponent = 3;

	if (ns < 8)
		return (u32)ns;
	while (ns >> (exponent + 1))
		exponent++;
	exponent = exponent > 40 ? 40 : exponent;
	return (exponent - 2) * 8 + ((u32)(ns >> (exponent - 3)) & 7);
}

static void arm(void)
{
	u64 ticks = tsc_khz - (tsc_khz * 10 >> 16); // 1193 counts are 152 ppm less than 1 ms

	outb(PIT + 3, 0x30); // one shot, low byte then high byte
	outb(PIT, PIT_COUNTS & 0xff);
	outb(PIT, PIT_COUNTS >> 8);
	deadline = rdtsc() + ticks;
}

struct frame;

__attribute__((interrupt)) static void on_timer(struct frame *frame)
{
	u64 now = rdtsc(), ns = now > deadline ? (now - deadline) * ns_per_tick_20 >> 20 : 0;
	struct counts *to = &counts[active];

	(void)frame;
	to->ticks++;
	to->buckets[bucket_of(ns)]++;
	if (ns > to->max_ns)
		to->max_ns = ns;
	if (now >= second_end) {
		second_over = 1;
		second_end = now + tsc_khz * 1000ull;
	}
	arm();
	outb(PIC1, 0x20);
}

__attribute__((interrupt)) static void on_spurious(struct frame *frame)
{
	(void)frame;
}

// --- the machine

static const u64 gdt[] = { 0, 0x00cf9a000000ffffull, 0x00cf92000000ffffull };
static struct gate {
	u16 low, selector;
	u8 zero, type;
	u16 high;
} idt[256];

struct table {
	u16 limit;
	u32 base;
} __attribute__((packed));

static void set_gate(u32 vector, void (*handler)(struct frame *))
{
	u32 at = (u32)handler;

	idt[vector] = (struct gate){ (u16)at, CODE, 0, 0x8e, (u16)(at >> 16) };
}

static void set_tables(void)
{
	struct table gdtr = { sizeof(gdt) - 1, (u32)gdt }, idtr = { sizeof(idt) - 1, (u32)idt };

	__asm__ volatile("lgdt %0\n\tljmp %1, $1f\n1:\n\tmov %2, %%ds\n\tmov %2, %%es\n\tmov %2, %%ss"
			 : : "m"(gdtr), "i"(CODE), "r"(DATA) : "memory");
	set_gate(TIMER_VECTOR, on_timer);
	set_gate(SPURIOUS_VECTOR, on_spurious);
	__asm__ volatile("lidt %0" : : "m"(idtr));
}

static void set_pic(void)
{
	static const u8 words[][2] = { { PIC1, 0x11 },	   { PIC2, 0x11 },     { PIC1 + 1, TIMER_VECTOR },
				       { PIC2 + 1, 0x28 }, { PIC1 + 1, 4 },    { PIC2 + 1, 2 },
				       { PIC1 + 1, 1 },	   { PIC2 + 1, 1 },    { PIC1 + 1, 0xfe },
				       { PIC2 + 1, 0xff } };

	for (u32 i = 0; i < sizeof(words) / sizeof(*words); i++)
		outb(words[i][0], words[i][1]);
}

static void calibrate(void)
{
	u32 from = inl(PM_TIMER) & PM_MASK, gone;
	u64 start = rdtsc();

	do
		gone = ((inl(PM_TIMER) & PM_MASK) - from) & PM_MASK;
	while (gone < PM_COUNTS);
	tsc_khz = divide(rdtsc() - start, 100);
	// the last read may have come late
	tsc_khz = divide((u64)tsc_khz * PM_COUNTS, gone);
	ns_per_tick_20 = divide(1000000ull << 20, tsc_khz);
}

// --- what it says

static void say(const char *text)
{
	for (; *text; text++) {
		while (!(inb(SERIAL + 5) & 0x20))
			;
		outb(SERIAL, (u8)*text);
	}
}

static void say_number(u32 number)
{
	char text[12], *at = text + sizeof(text) - 1;

	*at = '\0';
	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	say(at);
}

static void report(u32 second, struct counts *from)
{
	say("late ");
	say_number(second);
	say(" ticks ");
	say_number(from->ticks);
	say(" max ");
	say_number(from->max_ns > 0xffffffffull ? 0xffffffffu : (u32)from->max_ns);
	for (u32 i = 0; i < BUCKETS; i++) {
		if (!from->buckets[i])
			continue;
		say(" ");
		say_number(i);
		say(":");
		say_number(from->buckets[i]);
		from->buckets[i] = 0;
	}
	from->ticks = 0;
	from->max_ns = 0;
	say("\r\n");
}

__attribute__((used, noreturn)) static void begin(void)
{
	set_tables();
	set_pic();
	calibrate();
	second_end = rdtsc() + tsc_khz * 1000ull;
	arm();
	__asm__ volatile("sti");
	for (u32 second = 0;; second++) {
		u32 filled;

		while (!second_over)
			;
		second_over = 0;
		filled = active;
		active = 1 - filled;
		report(second, &counts[filled]);
	}
}

static u8 stack[16384] __attribute__((used, aligned(16)));
__asm__(".globl _start\n_start:\n\tmov $stack + 16384, %esp\n\tcall begin");
