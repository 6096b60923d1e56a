"""What the builders share: scanning a folder, the features of an example, generating them."""
