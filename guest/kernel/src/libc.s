# The few functions that compiled Rust expects from a C library. String instructions: ring 3 runs natively, and every
# processor of the last decade copies fast this way (SDM vol. 1, 7.3.9.3).

.intel_syntax noprefix
.section .text.libc, "ax", @progbits

.global memcpy
memcpy:
    mov rax, rdi
    mov rcx, rdx
    rep movsb
    ret

.global memmove
memmove:
    mov rax, rdi
    mov rcx, rdx
    mov r8, rdi
    sub r8, rsi
    cmp r8, rdx                       # unsigned: below only if the destination starts inside the source
    jb 1f
    rep movsb
    ret
1:  lea rdi, [rdi + rdx - 1]
    lea rsi, [rsi + rdx - 1]
    std
    rep movsb
    cld
    ret

.global memset
memset:
    mov r8, rdi
    mov eax, esi
    mov rcx, rdx
    rep stosb
    mov rax, r8
    ret

.global memcmp
.global bcmp
memcmp:
bcmp:
    xor ecx, ecx
1:  cmp rcx, rdx
    je 2f
    movzx eax, byte ptr [rdi + rcx]
    movzx r8d, byte ptr [rsi + rcx]
    inc rcx
    sub eax, r8d
    je 1b
    ret
2:  xor eax, eax
    ret

.global strlen
strlen:
    xor eax, eax
1:  cmp byte ptr [rdi + rax], 0
    je 2f
    inc rax
    jmp 1b
2:  ret

# Panics abort, so nothing ever unwinds; precompiled libraries still name these.
.global rust_eh_personality
.global _Unwind_Resume
rust_eh_personality:
_Unwind_Resume:
    ud2
