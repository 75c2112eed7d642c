"""Each speaks one foreign language and knows no other adapter."""
