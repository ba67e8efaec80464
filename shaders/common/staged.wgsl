// One operand of a product in workgroup memory.
//   F16  operands are staged as f16; sums are f32

#ifdef F16
enable f16;
#include "common/largest_f16.wgsl"
alias Staged = f16;
// Beyond f16's largest number there is only infinity, which nothing may rely on.
fn staged(v: f32) -> Staged {
    return Staged(clamp(v, -LARGEST_F16, LARGEST_F16));
}
#else
alias Staged = f32;
fn staged(v: f32) -> Staged {
    return v;
}
#endif
