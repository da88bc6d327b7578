class Session {
    Socket socket_;
    Timer timer_;
    int retries_ = 3;
};
