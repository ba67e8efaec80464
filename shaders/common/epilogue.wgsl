// The pointwise tail that a producer runs before it stores: see ops::Epilogue.

const EPILOGUE_RELU = 1u;
const EPILOGUE_GATE = 2u;
const EPILOGUE_GUIDED_GATE = 3u;

fn epilogue(kind: u32, value: f32, gate: f32) -> f32 {
    switch kind {
        case EPILOGUE_RELU: { return max(value, 0.0); }
        case EPILOGUE_GATE: { return select(0.0, value, gate > 0.0); }
        case EPILOGUE_GUIDED_GATE: { return select(0.0, max(value, 0.0), gate > 0.0); }
        default: { return value; }
    }
}
