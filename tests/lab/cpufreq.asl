// Gives the lab's CPUs performance states, which QEMU's own tables lack: Linux then has a cpufreq driver and
// governors there. The states are written to port 0x80, where nothing listens (ACPI 6.4, 8.4.5). CPUs 2 and 3
// are one clock domain, as the threads of a core are on many machines.
DefinitionBlock ("", "SSDT", 2, "LAB", "CPUFREQ", 1)
{
    External (\_SB.CPUS.C000, ProcessorObj)
    External (\_SB.CPUS.C001, ProcessorObj)
    External (\_SB.CPUS.C002, ProcessorObj)
    External (\_SB.CPUS.C003, ProcessorObj)

    Scope (\_SB)
    {
        Name (PCTL, Package () {
            ResourceTemplate () { Register (SystemIO, 8, 0, 0x80) },
            ResourceTemplate () { Register (SystemIO, 8, 0, 0x80) }
        })
        // MHz, mW, two latencies in microseconds, what to write, what is read then
        Name (PSTA, Package () {
            Package () { 3000, 30000, 10, 10, 0, 0 },
            Package () { 2000, 20000, 10, 10, 1, 1 },
            Package () { 1000, 10000, 10, 10, 2, 2 }
        })
    }

    // _PSD: the clock domain, the operating system sees to it that all of its CPUs ask for the same (0xFC), how many
    // they are. Linux believes it only if every CPU has one.
    Scope (\_SB.CPUS.C000)
    {
        Method (_PCT) { Return (PCTL) }
        Method (_PSS) { Return (PSTA) }
        Name (_PSD, Package () { Package () { 5, 0, 0, 0xFC, 1 } })
        Name (_PPC, 0)
    }
    Scope (\_SB.CPUS.C001)
    {
        Method (_PCT) { Return (PCTL) }
        Method (_PSS) { Return (PSTA) }
        Name (_PSD, Package () { Package () { 5, 0, 1, 0xFC, 1 } })
        Name (_PPC, 0)
    }
    Scope (\_SB.CPUS.C002)
    {
        Method (_PCT) { Return (PCTL) }
        Method (_PSS) { Return (PSTA) }
        Name (_PSD, Package () { Package () { 5, 0, 2, 0xFC, 2 } })
        Name (_PPC, 0)
    }
    Scope (\_SB.CPUS.C003)
    {
        Method (_PCT) { Return (PCTL) }
        Method (_PSS) { Return (PSTA) }
        Name (_PSD, Package () { Package () { 5, 0, 2, 0xFC, 2 } })
        Name (_PPC, 0)
    }
}
