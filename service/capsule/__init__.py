"""What an audit capsule checks itself with: the standard library alone, packed into every capsule under these very paths."""
