"""What a trained model is good for: compression to real bits, and restoration of damaged images."""
