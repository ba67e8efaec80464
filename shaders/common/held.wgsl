// How operands of attention are held: as they are or, with F16, rounded to f16, of which a
// register holds two. Gradients and sums are f32 either way, and so are probabilities unless
// matrices multiply them (common/attention_tiles.wgsl): in the gradient of a softmax most of
// g v cancels against the row's term, which knows g as it is.

#ifdef F16
enable f16;
#include "common/largest_f16.wgsl"
alias Held = vec4<f16>;
// Beyond f16's largest number there is only infinity, which nothing may rely on.
fn held(v: vec4f) -> Held {
    return Held(clamp(v, vec4f(-LARGEST_F16), vec4f(LARGEST_F16)));
}
#else
alias Held = vec4f;
fn held(v: vec4f) -> Held {
    return v;
}
#endif
