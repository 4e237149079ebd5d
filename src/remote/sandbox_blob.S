// The program sandbox_init as bytes of ssid's own, so that a node needs no
// second file. SSI_SANDBOX_INIT is its path in the build folder.
        .section .rodata
        .globl  ssi_sandbox_init
        .globl  ssi_sandbox_init_end
        .balign 16
ssi_sandbox_init:
        .incbin SSI_SANDBOX_INIT
ssi_sandbox_init_end:
        .section .note.GNU-stack,"",@progbits
