# Ring 0: everything that runs privileged, and the tables the processor reads there.
#
# What it does: entry from the host (first boot, and every entry after a restore), the bounce of system calls and
# faults into ring 3, and one service gate (int3). No Rust, no SSE, no calls out of this section (cargo xtask check-ring0).
#
# Why so little: under software-nested virtualisation ring 0 is emulated, an instruction costs 0.3 to 1 us, and most
# SSE there stops the VM. On ordinary KVM the same design costs nothing.
#
# Per-VM page (STATE): fixed, in scratch, writable right after a restore, reachable with a sign-extended
# 32-bit displacement. Layout in arch.rs (`state`).

.intel_syntax noprefix

.set STATE,          0xffffffffffffd000
.set STATE_USER_RSP, STATE + 0x000
.set STATE_CR2,      STATE + 0x008
.set STATE_RAX,      STATE + 0x010
.set STATE_VECTOR,   STATE + 0x018
.set FRAME_SYSCALL,  STATE + 0x040   # prepared iretq frames: rip, cs, rflags, rsp, ss
.set FRAME_FAULT,    STATE + 0x080
.set FRAME_TRAP,     STATE + 0x0c0
.set GDT_COPY,       STATE + 0x400
.set IST_TOP,        STATE + 0xf00
.set BOOT_STACK,     0xffffffffffff9000

.set USER_DS, 0x2b
.set USER_CS, 0x33
.set TSS_SEL, 0x40

.set MSR_STAR,   0xc0000081
.set MSR_LSTAR,  0xc0000082
.set MSR_SFMASK, 0xc0000084

.set PTE_USER, 4
.set PTE_TABLE, 0x27                 # present, writable, user, accessed
.set PTE_LARGE, 0xe7                 # the same, dirty, 2 MiB

.set ALIAS_PDPT,     0xffffffffffff3000
.set ALIAS_PDPT_GPA, 0xfffff4000
.set ALIAS_PD,       0xffffffffffff4000
.set ALIAS_PD_GPA,   0xfffff5000
# Size of scratch (hyperlight_common::layout, SCRATCH_TOP_SIZE_OFFSET).
.set SCRATCH_SIZE,   0xffffffffffffeff8

.set PORT_HALT, 108

.section .ring0, "awx", @progbits
ring0_base:

# First entry ever. rdi = PEB address, rsi = seed (unused: entropy comes with each turn).
.global _start
_start:
    mov r12, rdi
    # ltr sets the busy bit, so the descriptor table it reads must be writable: copy it to the state page.
    lea rsi, [rip + gdt]
    mov rdi, GDT_COPY
    mov ecx, (gdt_end - gdt) / 8
1:  mov rax, [rsi]
    mov [rdi], rax
    add rsi, 8
    add rdi, 8
    dec ecx
    jnz 1b
    lgdt [rip + gdtr_copy]
    mov eax, TSS_SEL
    ltr ax
    # From here the table in the image serves: scratch is zeroed by a restore, the register is not.
    lgdt [rip + gdtr]
    lidt [rip + idtr]
    mov ecx, MSR_STAR
    xor eax, eax
    mov edx, 0x00230008              # sysret base 0x20 | 3, syscall base 0x08
    wrmsr
    mov ecx, MSR_LSTAR
    lea rax, [rip + syscall_entry]
    xor edx, edx
    wrmsr
    mov ecx, MSR_SFMASK
    mov eax, 0x47700                 # TF IF DF IOPL NT AC
    xor edx, edx
    wrmsr
    mov rax, cr4
    or eax, 0x10600                  # FSGSBASE, OSXMMEXCPT, OSFXSR
    mov cr4, rax
    mov r15d, 1                      # entry reason: first boot
    jmp open_ring3

# Every later entry. The host sets rip here and leaves the privilege level alone: an ordinary turn comes in ring 3,
# the first one after a restore or a checkpoint in ring 0.
.balign 16
.global dispatch
dispatch:
    mov eax, cs
    test al, 3
    jnz turn_entry
    mov r15d, 2                      # entry reason: restored

# Makes just enough of the host-built page tables accessible to ring 3 for the code in .entry to do the rest: the
# first two pages of the kernel image, and the alias, a ring-3 view of scratch at ALIAS + guest-physical address. Here
# the alias gets its two tables (fixed pages in the exception-stack reservation) and the 8 MiB with the page tables. Those
# take 2 MiB for each GiB of scratch and of the snapshot: with a GiB of scratch and more, 40 MiB, enough for 9 GiB of each.
open_ring3:
    mov rax, cr3
    and rax, -4096
    movabs rdx, 0xffffffeffffff000              # scratch: guest-virtual minus guest-physical
    lea rbx, [rax + rdx]
    movabs rdi, ALIAS_PDPT_GPA + PTE_TABLE
    mov [rbx + 2*8], rdi                        # PML4[2]: ALIAS
    or byte ptr [rbx], PTE_USER                 # PML4[0]
    mov rcx, [rbx]
    and rcx, -4096
    add rcx, rdx
    or byte ptr [rcx + 1*8], PTE_USER           # PDPT[1]: 0x40000000
    mov rcx, [rcx + 1*8]
    and rcx, -4096
    add rcx, rdx
    or byte ptr [rcx + 384*8], PTE_USER         # PD[384]: 0x70000000
    mov rsi, [rcx + 384*8]
    and rsi, -4096
    or byte ptr [rsi + rdx], PTE_USER           # .ring0 (its syscall entry may run in ring 3)
    or byte ptr [rsi + rdx + 8], PTE_USER       # .entry
    mov rcx, rax
    shr rcx, 30
    movabs rdi, ALIAS_PD_GPA + PTE_TABLE
    mov [rcx*8 + ALIAS_PDPT], rdi
    mov rcx, rax
    shr rcx, 21
    and ecx, 511
    mov rdi, rax
    and rdi, -0x200000
    or rdi, PTE_LARGE
    mov [rcx*8 + ALIAS_PD], rdi
    add rdi, 0x200000
    mov [rcx*8 + ALIAS_PD + 8], rdi
    add rdi, 0x200000
    mov [rcx*8 + ALIAS_PD + 16], rdi
    add rdi, 0x200000
    mov [rcx*8 + ALIAS_PD + 24], rdi
    cmp qword ptr [SCRATCH_SIZE], 0x40000000
    jb 3f
    mov esi, 16
2:  add rdi, 0x200000
    mov [rcx*8 + ALIAS_PD + 32], rdi
    inc rcx
    dec esi
    jnz 2b
3:  mov rdi, cr3
    mov cr3, rdi
    mov rsp, BOOT_STACK
    push USER_DS
    push 0
    push 2
    push USER_CS
    lea rdi, [rip + ring3_start]
    push rdi
    iretq

# LSTAR. Under PVM this runs in ring 3 already, so only instructions legal in both rings.
.balign 16
syscall_entry:
    mov [STATE_USER_RSP], rsp
    mov rsp, FRAME_SYSCALL
    iretq

fault_entry:                          # #PF
    mov [STATE_RAX], rax
    mov rax, cr2
    mov [STATE_CR2], rax
    mov rsp, FRAME_FAULT
    iretq

.balign 16
service_entry:                        # int3. eax: 0 = flush TLB, 1 = halt in ring 0, 2 = enable AVX state and flush
    cmp eax, 1
    je service_halt
    cmp eax, 2
    je service_xsave
    mov rax, cr3
    mov cr3, rax
    iretq
service_halt:                         # checkpoint: the snapshot must resume in ring 0
    mov rsp, BOOT_STACK
    mov edx, PORT_HALT
    out dx, eax
    jmp service_halt
service_xsave:                        # ecx = XCR0 to set; flushes too, because a restore needs both
    mov esi, ecx
    mov rax, cr3
    mov cr3, rax
    mov rax, cr4
    or eax, 0x40000                   # OSXSAVE
    mov cr4, rax
    mov eax, esi
    xor ecx, ecx
    xor edx, edx
    xsetbv
    iretq

# All other vectors: note the number, continue in ring 3.
.set i, 0
.balign 16
trap_stubs:
.rept 32
.balign 16
    mov dword ptr [STATE_VECTOR], i
    jmp trap_entry
.set i, i + 1
.endr
.balign 16
trap_entry:
    mov [STATE_RAX], rax
    mov rsp, FRAME_TRAP
    iretq

.balign 8
gdtr_copy:
    .word gdt_end - gdt - 1
    .quad GDT_COPY
.balign 8
gdtr:
    .word gdt_end - gdt - 1
    .quad gdt
.balign 8
idtr:
    .word idt_end - idt - 1
    .quad idt

# Gates use interrupt stack 1, so that a fault never depends on the interrupted stack. The image lies below 4 GiB.
.balign 16
idt:
.macro GATE offset, dpl
    .word \offset
    .word 8
    .byte 1
    .byte 0x8e | (\dpl << 5)
    .word 0x7000
    .long 0
    .long 0
.endm
.altmacro
.macro GATE_TRAP n
    GATE <(trap_stubs - ring0_base) + 16*\n>, 0
.endm
.set i, 0
.rept 3
    GATE_TRAP %i
.set i, i + 1
.endr
    GATE <service_entry - ring0_base>, 3
.set i, 4
.rept 10
    GATE_TRAP %i
.set i, i + 1
.endr
    GATE <fault_entry - ring0_base>, 0
.set i, 15
.rept 17
    GATE_TRAP %i
.set i, i + 1
.endr
.noaltmacro
idt_end:

# Accessed bits are preset, so the processor never writes here.
.balign 16
gdt:
    .quad 0
    .quad 0x00af9b000000ffff          # 08 ring-0 code
    .quad 0x00cf93000000ffff          # 10 ring-0 data
    .quad 0
    .quad 0x00cffb000000ffff          # 20 sysret base
    .quad 0x00cff3000000ffff          # 28 ring-3 data
    .quad 0x00affb000000ffff          # 30 ring-3 code
    .quad 0
    .word tss_end - tss - 1           # 40 TSS
    .word tss - ring0_base
    .byte 0
    .byte 0x89
    .byte 0
    .byte 0x70
    .quad 0
gdt_end:

# The I/O bitmap allows ring 3 the doorbells of Hyperlight and nothing else: 102 abort, 103 debug print, 108 halt,
# 109 virtqueue notify (hyperlight_common::outb). A 32-bit write is checked for four ports (SDM vol. 1, 20.5.2).
.balign 16
tss:
    .long 0
    .quad IST_TOP                     # rsp0
    .quad 0
    .quad 0
    .quad 0
    .quad IST_TOP                     # ist1
    .rept 6
    .quad 0
    .endr
    .quad 0
    .word 0
    .word 104
    .fill 12, 1, 0xff                 # ports 0 to 95
    .byte 0x3f                        # 96 to 103: 102 and 103 open
    .byte 0x08                        # 104 to 111: all but 107, the timer
    .byte 0xfe                        # 112 to 119: 112 open
    .byte 0xff                        # a byte of ones ends the bitmap
tss_end:
