// Mean and squared deviations of numbers that come in parts, without cancellation
// where the mean is large: Chan, Golub, LeVeque, "Updating formulae and a pairwise
// algorithm for computing sample variances" (1979).

struct Moments {
    count: f32,
    mean: f32,
    squares: f32, // sum of squared distances from the mean
}

// Those of two sets together; the second is not empty.
fn joined(a: Moments, b: Moments) -> Moments {
    let count = a.count + b.count;
    let apart = b.mean - a.mean;
    let share = b.count / count;
    return Moments(count, a.mean + apart * share,
                   a.squares + b.squares + apart * apart * a.count * share);
}
