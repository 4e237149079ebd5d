// The agent (agent_window.h says what it is for). Offsets are those of
// WindowHead and AgentCall.
//
//   rbx   the window              r12d  the newest job that is finished
//   r13   the call under way      r14d  how many are left
//
// The kernel keeps all of these over `syscall` (it clobbers rcx and r11 only).
// No stack: rsp is 0. A signal handler never runs here: every signal stops for
// the tracer first, which delivers none.

#define POSTED 0
#define DONE   4
#define ARMED  8
#define COUNT  16
#define ALARM_AT 24
#define CALLS  64
#define CALL_SIZE 64

#define SYS_FUTEX 202
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

        .section .rodata
        .globl  ssi_agent_code
        .globl  ssi_agent_code_end
        .globl  ssi_agent_in_call
        .balign 16
ssi_agent_code:
        mov     DONE(%rbx), %r12d
.Lwait:
        mov     POSTED(%rbx), %eax
        cmp     %r12d, %eax
        jne     .Lrun
        lea     POSTED(%rbx), %rdi
        xor     %esi, %esi                      // FUTEX_WAIT
        mov     %r12d, %edx
        xor     %r10d, %r10d                    // no time limit
        mov     $SYS_FUTEX, %eax
        syscall
        jmp     .Lwait
.Lrun:
        mov     %eax, %r12d
        mov     COUNT(%rbx), %r14d
        lea     CALLS(%rbx), %r13
.Lnext:                                         // of one or more
        mov     0(%r13), %rax
        mov     8(%r13), %rdi
        mov     16(%r13), %rsi
        mov     24(%r13), %rdx
        mov     32(%r13), %r10
        mov     40(%r13), %r8
        mov     48(%r13), %r9
        syscall
ssi_agent_in_call:                              // where a call returns to
        // From here on to .Lwait a job of one call has made it: the tracer tells
        // by the place alone whether it must be made again (SkipCall).
        mov     %rax, 56(%r13)
        add     $CALL_SIZE, %r13
        dec     %r14d
        jnz     .Lnext
        mov     %r12d, DONE(%rbx)
        xor     %eax, %eax
        xchg    %eax, ARMED(%rbx)               // a full barrier as well
        cmp     $1, %eax
        je      .Lwake_loop
        cmp     $2, %eax
        jne     .Lwait
        mov     ALARM_AT(%rbx), %rdi
        lock incl (%rdi)
        jmp     .Lwake
.Lwake_loop:
        lea     DONE(%rbx), %rdi
.Lwake:
        mov     $FUTEX_WAKE, %esi
        mov     $1, %edx
        mov     $SYS_FUTEX, %eax
        syscall
        jmp     .Lwait
ssi_agent_code_end:

        .section .note.GNU-stack,"",@progbits
