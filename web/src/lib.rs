//! Pages, API, downloads: shows, never computes a metric
