// What a pointwise kernel computes at a time: one element, or four where QUADS says
// that there is a whole number of fours. One load then brings four elements, which
// counts on every device and most where loads are done lane by lane (software Vulkan).

#ifdef QUADS
alias Lane = vec4f;
#else
alias Lane = f32;
#endif
