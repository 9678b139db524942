"""The same model behind other servers, each set up as its documentation recommends for small pictures on a CPU."""
