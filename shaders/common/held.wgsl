// How operands of attention are held: as they are or, with F16, rounded to f16, of which a
// register holds two. Probabilities, gradients and sums are f32 either way: in the gradient
// of a softmax most of g v cancels against the row's term, which knows g as it is.

#ifdef F16
enable f16;
alias Held = vec4<f16>;
// Beyond f16's largest number there is only infinity, which nothing may rely on.
fn held(v: vec4f) -> Held {
    return Held(clamp(v, vec4f(-65504.0), vec4f(65504.0)));
}
#else
alias Held = vec4f;
fn held(v: vec4f) -> Held {
    return v;
}
#endif
