class Door {
public:
    void open();
    void close();
private:
    Hinge hinge_;
};
