"""The service: books, scenes and concepts made by durable jobs and asked for over HTTP."""
