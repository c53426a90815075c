# Ring-3 assembly around Rust: entry from the ring-0 stub, the system-call and fault frames, and the turn switch.
#
# Register frame, lowest address first (struct Regs in traps.rs):
#   r15 r14 r13 r12 r11 r10 r9 r8 rdi rsi rbp rbx rdx rcx rax | rip cs rflags rsp ss

.intel_syntax noprefix

.set STATE,          0xffffffffffffd000
.set STATE_USER_RSP, STATE + 0x000
.set STATE_CR2,      STATE + 0x008
.set STATE_RAX,      STATE + 0x010
.set STATE_VECTOR,   STATE + 0x018
.set FRAME_SYSCALL,  STATE + 0x040
.set FRAME_FAULT,    STATE + 0x080
.set FRAME_TRAP,     STATE + 0x0c0
.set STATE_REDIRECT, STATE + 0x600
.set IST_TOP,        STATE + 0xf00
.set FAULT_STACK,    STATE               # grows down into the exception-stack reservation
.set TURN_STACK,     0xffffffffffff9000
.set ALIAS,          0x10000000000        # scratch as ring 3 sees it: ALIAS + guest-physical
.set USER_DS, 0x2b
.set USER_CS, 0x33
.set PORT_HALT, 108
.set XSAVE_BYTES, 2816
# The components that have room there: x87 to AVX-512, and PKRU. Not AMX, whose tiles take 8 KiB: XCR0 may have more than the
# kernel set, where the hypervisor shows the host's.
.set XSAVE_MASK, 0x2ff

.macro PUSH_GPRS
    push rcx
    push rdx
    push rbx
    push rbp
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
.endm
.macro POP_GPRS
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rbp
    pop rbx
    pop rdx
    pop rcx
    pop rax
.endm
.macro IRET_FRAME at, target, stack
    lea rdi, [rip + \target]
    mov [\at], rdi
    mov [\at + 8], rcx
    mov [\at + 16], rdx
    mov rdi, \stack
    mov [\at + 24], rdi
    mov [\at + 32], rsi
.endm

.section .entry, "ax", @progbits

# From open_ring3. rax = page-table root (physical), r12 = PEB, r15 = entry reason. No stack, no state page yet: the
# upper page tables are still closed to ring 3 and are opened here, through the alias.
.global ring3_start
ring3_start:
    movabs r8, ALIAS
    lea r9, [rax + r8]
    mov r14, [r9 + 511*8]
    and r14d, 4                       # was the upper half open already? (same VM after a checkpoint)
    jnz 3f
    or byte ptr [r9 + 511*8], 4
    mov r10, [r9 + 511*8]
    and r10, -4096
    or byte ptr [r10 + r8 + 511*8], 4
    mov r10, [r10 + r8 + 511*8]
    and r10, -4096
    or byte ptr [r10 + r8 + 511*8], 4
    mov r10, [r10 + r8 + 511*8]
    and r10, -4096
    add r10, r8
    mov ecx, 499                      # the 12 reserved pages at the top of scratch, with the metadata page
2:  or byte ptr [r10 + rcx*8], 4
    inc ecx
    cmp ecx, 511
    jb 2b
    mov r10, [r9]                     # the kernel image: PML4[0], PDPT[1], PD[384], all of its page table
    and r10, -4096
    mov r10, [r10 + r8 + 8]
    and r10, -4096
    mov r10, [r10 + r8 + 384*8]
    and r10, -4096
    add r10, r8
    xor ecx, ecx
1:  test byte ptr [r10 + rcx*8], 1
    jz 4f
    or byte ptr [r10 + rcx*8], 4
4:  inc ecx
    cmp ecx, 512
    jb 1b
3:  mov ecx, USER_CS
    mov edx, 2
    mov esi, USER_DS
    lea r11, [rip + SYSCALL_STACK]
    add r11, 0x10000
    IRET_FRAME FRAME_SYSCALL, syscall_ring3, r11
    mov r11, FAULT_STACK
    IRET_FRAME FRAME_FAULT, fault_ring3, r11
    IRET_FRAME FRAME_TRAP, trap_ring3, r11
    mov rsp, TURN_STACK
    xor ebp, ebp
    mov rdi, rax
    mov rsi, r12
    mov rdx, r15
    mov rcx, r14
    call enter_from_ring0
    ud2

# An ordinary turn: the host re-entered at `dispatch` in ring 3.
.global turn_entry
turn_entry:
    mov rsp, TURN_STACK
    xor ebp, ebp
    call enter_turn
    ud2

.balign 16
syscall_ring3:                        # on SYSCALL_STACK
    push USER_DS
    push qword ptr [STATE_USER_RSP]
    push r11
    push USER_CS
    push rcx
    push rax
    PUSH_GPRS
    mov rbp, rsp
    sub rsp, XSAVE_BYTES
    and rsp, -64
    call save_fpu
    mov rdi, rbp
    call on_syscall
    mov rdi, rbp
    mov rsi, rsp
# resume(rdi = register frame, rsi = FPU area): never returns.
.global resume
resume:
    mov rsp, rdi
    cmp byte ptr [rip + XSAVE_ENABLED], 0
    jne 1f
    fxrstor64 [rsi]
    jmp 2f
1:  mov eax, XSAVE_MASK
    xor edx, edx
    xrstor64 [rsi]
2:  POP_GPRS
    iretq

# Saves the FPU state to [rsp+8] (above the return address). Clobbers rax, rdx, rsi.
save_fpu:
    lea rsi, [rsp + 8]
    cmp byte ptr [rip + XSAVE_ENABLED], 0
    jne 1f
    fxsave64 [rsi]
    ret
1:  xor eax, eax                      # the XSAVE header must be zero before the first use (SDM vol. 1, 13.4.2)
    mov [rsi + 512], rax
    mov [rsi + 520], rax
    mov [rsi + 528], rax
    mov [rsi + 536], rax
    mov [rsi + 544], rax
    mov [rsi + 552], rax
    mov [rsi + 560], rax
    mov [rsi + 568], rax
    mov eax, XSAVE_MASK
    xor edx, edx
    xsave64 [rsi]
    ret

# Faults run on their own stack in scratch. Rust of this kernel uses SSE but never VEX, so the upper halves of
# the vector registers survive and the 512-byte area is enough here.
.macro FAULT_BODY handler
    push qword ptr [IST_TOP - 8]
    push qword ptr [IST_TOP - 16]
    push qword ptr [IST_TOP - 24]
    push qword ptr [IST_TOP - 32]
    push qword ptr [IST_TOP - 40]
    push qword ptr [STATE_RAX]
    PUSH_GPRS
    mov rbp, rsp
    sub rsp, 512
    and rsp, -64
    fxsave64 [rsp]
    mov rdi, rbp
    call \handler
    fxrstor64 [rsp]
    mov rsp, rbp
    POP_GPRS
    iretq
.endm
.balign 16
fault_ring3:
    FAULT_BODY on_fault
.balign 16
trap_ring3:
    FAULT_BODY on_trap

# A fault of the program that became a signal: on_fault/on_trap sent us here, on SYSCALL_STACK, with the program's
# registers in the state page.
.global redirect_ring3
redirect_ring3:
    mov [STATE_REDIRECT + 20*8], rsi
    mov [STATE_REDIRECT + 21*8], rcx
    sub rsp, 160
    mov rbp, rsp
    xor ecx, ecx
1:  mov rsi, [STATE_REDIRECT + rcx*8]
    mov [rsp + rcx*8], rsi
    inc ecx
    cmp ecx, 20
    jb 1b
    sub rsp, XSAVE_BYTES
    and rsp, -64
    call save_fpu
    mov rdi, rbp
    call on_redirect
    mov rdi, rbp
    mov rsi, rsp
    jmp resume

# turn_exit(): leaves the VM; returns when the host has entered again and turn_resume was called.
.global turn_exit
turn_exit:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    mov [rip + TURN_RSP], rsp
    mov edx, PORT_HALT
    out dx, eax
    ud2
.global turn_resume
turn_resume:
    mov rsp, [rip + TURN_RSP]
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret

# switch_stack(rdi = where to keep the stack pointer, rsi = the one to go on with): returns when somebody switches back.
.global switch_stack
switch_stack:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    mov [rdi], rsp
    mov rsp, rsi
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret

# Where switch_stack returns to in a thread that has not run yet: rbx = register frame, r12 = FPU area.
.global thread_start
thread_start:
    mov rdi, rbx
    mov rsi, r12
    jmp resume

# boot_done(): ends Hyperlight's initialisation call; rax tells it where later entries go.
.global boot_done
boot_done:
    and rsp, -16
    lea rax, [rip + dispatch]
    mov edx, PORT_HALT
    out dx, eax
    ud2

# doorbell(edi = port, esi = value)
.global doorbell
doorbell:
    mov edx, edi
    mov eax, esi
    out dx, eax
    ret

# service(edi = function, esi = argument): the int3 gate into ring 0.
.global service
service:
    push rbx
    mov eax, edi
    mov ecx, esi
    int3
    pop rbx
    ret
