// ceiling/multiply_add: the most multiply-adds that the device does, for the bench.
// Tile: CHAINS sums per invocation, none of which waits for another, in registers;
// PASSES steps of each between two tests of the loop. With FUSED by fma(), else by a
// product and a sum that the driver may join or not: which is faster differs.
// Method: as peak-rate tests do, e.g. clpeak (Krishnaraj Bhat).

#include "common/linear_index.wgsl"

struct Params {
    rounds: u32, // each is CHAINS * PASSES multiply-adds
    factor: f32, // within ±1: the sums stay finite and far from 0
    term: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>; // [invocations]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    let a = params.factor;
    let b = params.term;
    let start = f32(lane);
#repeat c 0 CHAINS
    var sum_$c = start + f32($c);
#end
    for (var round = 0u; round < params.rounds; round++) {
#repeat p 0 PASSES
#repeat c 0 CHAINS
#ifdef FUSED
        sum_$c = fma(sum_$c, a, b);
#else
        sum_$c = sum_$c * a + b;
#endif
#end
#end
    }
    var all = 0.0;
#repeat c 0 CHAINS
    all += sum_$c;
#end
    // Stored so that nothing is left out as unused.
    y[i] = all;
}
