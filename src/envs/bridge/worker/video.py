"""Videos as stacks of frames, decoded by OpenCV."""

import os

from foveate_adapter import chw, imported
from foveate_messages import MAX_PAYLOAD, Refusal


def decoded(path, size, most=None):
    """The frames of a video, each `size`×`size`, CHW uint8; of long ones the first
    `most`."""
    np, cv2 = imported("numpy"), imported("cv2")
    if not os.path.isfile(path):
        raise Refusal("video", "there is no video file at '%s'" % path)
    # Its complaints about damaged files would only repeat what is said below.
    # Not every version has it.
    if hasattr(cv2, "setLogLevel"):
        cv2.setLogLevel(0)
    capture, frames = cv2.VideoCapture(path), []
    try:
        while most is None or len(frames) < most:
            got, bgr = capture.read()
            if not got:
                break
            if (len(frames) + 1) * 3 * size * size > MAX_PAYLOAD:
                raise Refusal("video", "the video '%s' has more than %d frames, which do not "
                              "fit into 1 GiB at %d×%d" % (path, len(frames), size, size))
            frames.append(chw(np, bilinear(np, bgr[:, :, ::-1], size)))
    finally:
        capture.release()
    if not frames:
        raise Refusal("video", "'%s' is not a video that OpenCV can decode (H.264 in MP4 is "
                      "what the benchmark uses)" % path)
    return frames


def bilinear(np, picture, size):
    """uint8 [H, W, 3] → uint8 [size, size, 3]: PyTorch's interpolate with
    mode="bilinear", align_corners=False, then cut to whole numbers, as the benchmark
    resizes its videos. The twin of `resize_bilinear` in `image_file.rs`."""
    rows, columns = (taps(np, length, size) for length in picture.shape[:2])
    low, high, share = columns
    picture = picture.astype(np.float32)
    share = share[None, :, None]
    wide = picture[:, low] * (1 - share) + picture[:, high] * share
    low, high, share = rows
    share = share[:, None, None]
    return (wide[low] * (1 - share) + wide[high] * share).astype(np.uint8)


def taps(np, length, size):
    """The two source pixels of each target pixel, and the share of the second."""
    scale = np.float32(length) / np.float32(size)
    at = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    at = np.maximum(at, np.float32(0))
    low = at.astype(np.int64)
    return low, np.minimum(low + 1, length - 1), at - low
