// SPDX-License-Identifier: MIT
// Owns telling performance from efficiency cores. Refuses to call a favoured core another kind.
#pragma once

struct cpu_facts;
struct root;

// Sets `kind` of every online CPU; wants online, cores and max_khz to be there. The first that answers:
//
// 1. The PMUs: a hybrid Intel machine has one for each kind, cpu_core and cpu_atom, with a CPU list
//    (Linux Documentation/ABI/testing/sysfs-bus-event_source-devices, 6.1).
// 2. cpu_capacity, where it differs widely.
// 3. The shape of L2: an efficiency core shares it with its neighbours, a performance core only with its
//    own sibling. It counts only where the sharing ones are also weaker: slower, every one of them, or
//    where no speed is known without siblings while all the others have them. So a uniform machine of
//    shared L2s with offline CPUs stays uniform.
// 4. The top frequency, or where none is known CPPC's highest performance, if it differs widely.
//
// Differs widely: somewhere in the order from strong to weak the next is less than 4/5 of the one before.
// Favoured cores of a uniform machine stay within that (Turbo Boost Max 3.0: 4 to 14 %; AMD's preferred
// cores: a ladder of small steps; the two dies of an X3D: 9 %), while Intel's efficiency cores clock at
// 3/4 of a performance core or, the latest, near it but with a shared L2, and AMD's dense ones at 2/3.
void kind_read(struct root *root, struct cpu_facts *facts);
