"""What every room uses: errors, paths, reading and writing. Neither torch nor cv2."""
