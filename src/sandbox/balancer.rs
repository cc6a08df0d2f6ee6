//! What load balancers do with requests.
