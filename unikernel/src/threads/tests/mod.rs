mod model;
mod queue;
