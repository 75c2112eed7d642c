"""Web: what a person or another program on this machine may see, over HTTP. Views in, pages out; no arithmetic."""
