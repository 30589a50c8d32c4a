// SPDX-License-Identifier: MIT
// What the guests have in common that are a program without an operating system: types, the mark by which QEMU knows
// that it can start them, and ports. Nothing else is there: no C library, no memory but their own.
// Source: Multiboot 0.6.96.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define MULTIBOOT_MAGIC 0x1badb002u
__attribute__((section(".text.multiboot"), used, aligned(4))) static const u32 multiboot[] = { MULTIBOOT_MAGIC, 0,
											       -MULTIBOOT_MAGIC };

static inline void outb(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 inb(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void outl(u16 port, u32 value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline u32 inl(u16 port)
{
	u32 value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}
