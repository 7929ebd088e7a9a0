"""tinygan: a from-scratch autograd GAN engine with hand-written kernels."""
