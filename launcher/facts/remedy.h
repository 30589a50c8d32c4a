// SPDX-License-Identifier: MIT
// Owns what to do on this machine, with its CPU, firmware and distribution, about an IOMMU that is off or a word that
// the kernel line lacks. Pure. Refuses to judge whether that is so.
#pragma once

struct cpu_facts;
struct iommu_facts;
struct system_facts;

// "add `intel_iommu=on iommu=pt` to …"; the caller frees. Never amd_iommu=on, which the kernel does not know (Linux
// 6.1 Documentation/admin-guide/kernel-parameters.txt).
char *remedy_iommu_off(const struct cpu_facts *cpus, const struct system_facts *system,
		       const struct iommu_facts *iommu);

// How words get onto the kernel line of this distribution: "add `…` to …, run …, and reboot". The caller frees.
char *remedy_kernel_words(const struct system_facts *system, const char *words);
