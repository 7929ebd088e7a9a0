// Fibers: stacks that a scheduler switches between, each one a thread of a simulated block.
//
// On x86-64 a switch saves the six registers that a callee must keep and swaps the stack pointer,
// some 2 ns; elsewhere ucontext does it, which also makes two system calls. Under AddressSanitizer
// every switch is announced, or it would take another fiber's stack for an overflow.
#pragma once

#include <cstddef>
#include <cstdlib>

#if !defined(__x86_64__)
#define CUSIM_UCONTEXT 1
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace cusim {

enum { kStackBytes = 64 * 1024 };

// Where a stack goes on: what is saved of it while another one runs.
struct Context {
#if CUSIM_UCONTEXT
  ucontext_t place;
#else
  void* stack_pointer;
#endif
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack;
  const void* bottom;
  std::size_t size;
#endif
};

#if !CUSIM_UCONTEXT
extern "C" void cusim_swap(void** save, void* load);
asm(R"(
.text
.local cusim_swap
.type cusim_swap,@function
cusim_swap:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");
#endif

// Leave `from`, and go on in `to`; `ends` where nobody will come back to `from`.
inline void switch_to(Context& from, Context& to, bool ends = false) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(ends ? nullptr : &from.fake_stack, to.bottom, to.size);
#endif
  (void)ends;
#if CUSIM_UCONTEXT
  swapcontext(&from.place, &to.place);
#else
  cusim_swap(&from.stack_pointer, to.stack_pointer);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

// The first words of a new fiber: tell the sanitizer where the stack that it came from lies.
inline void arrived(Context& came_from) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &came_from.bottom, &came_from.size);
#endif
  (void)came_from;
}

// Make `fiber` begin at `entry`, which never returns, when it is switched to for the first time.
inline void begin(Context& fiber, char* stack, void (*entry)()) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack, kStackBytes);  // whoever ran here before never returned
#endif
#if CUSIM_UCONTEXT
  getcontext(&fiber.place);
  fiber.place.uc_stack.ss_sp = stack;
  fiber.place.uc_stack.ss_size = kStackBytes;
  fiber.place.uc_link = nullptr;
  makecontext(&fiber.place, entry, 0);
#else
  void** top = reinterpret_cast<void**>(stack + kStackBytes - 64);
  *--top = nullptr;  // a return address: none, and the stack is aligned as after a call
  *--top = reinterpret_cast<void*>(entry);
  for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
  fiber.stack_pointer = top;
#endif
#if defined(__SANITIZE_ADDRESS__)
  fiber.fake_stack = nullptr;
  fiber.bottom = stack;
  fiber.size = kStackBytes;
#endif
}

}  // namespace cusim
