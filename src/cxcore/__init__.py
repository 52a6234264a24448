"""Customer-experience analytics with a compiled core: sessions, attribution, scores with intervals."""
