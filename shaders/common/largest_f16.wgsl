// Beyond it there is only infinity in f16.
const LARGEST_F16 = 65504.0;
