// The place of a workgroup or an invocation when a long row of workgroups is
// folded into two dimensions (65,535 workgroups is the most in one).

fn linear_group(group: vec3u, groups: vec3u) -> u32 {
    return group.y * groups.x + group.x;
}

fn linear_index(group: vec3u, groups: vec3u, lane: u32, lanes: u32) -> u32 {
    return linear_group(group, groups) * lanes + lane;
}
