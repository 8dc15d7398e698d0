"""SCIM 2.0 (RFC 7643, 7644, 9865): a dialect of its own over the services and tables of employees and teams."""
