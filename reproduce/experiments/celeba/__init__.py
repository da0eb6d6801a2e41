"""CelebA: the image experiment at real size, in bits per dimension."""
